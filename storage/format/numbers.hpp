#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::storage {

/// Seven bits a byte, the least significant group first; the top bit says that another follows.
inline void append_number(std::string& out, std::uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<char>((value & 0x7f) | 0x80));
        value >>= 7U;
    }
    out.push_back(static_cast<char>(value));
}

/// Reads such numbers one after another; what ends early or runs on is corrupt.
class NumberReader {
  public:
    explicit NumberReader(std::string_view rest) : rest_(rest) {}
    std::uint64_t next() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
            const auto byte = static_cast<unsigned char>(rest_.front());
            rest_.remove_prefix(1);
            value |= std::uint64_t{byte & 0x7fU} << shift;
            if (byte < 0x80) {
                return value;
            }
        }
        failed_ = true;
        return 0;
    }
    [[nodiscard]] bool is_at_end() const { return rest_.empty(); }
    [[nodiscard]] bool is_good_end() const { return !failed_ && rest_.empty(); }
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] std::size_t rest_bytes() const { return rest_.size(); }

  private:
    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace millrace::storage
