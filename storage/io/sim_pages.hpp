#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace millrace::storage {

/// The bytes of a simulated file: pages of zeros take no memory, and pages that were copied are
/// shared until one side is written.
///
/// Threads:  one for all that share.
class SimPages {
  public:
    static constexpr std::size_t page_bytes = 4096;

    [[nodiscard]] std::size_t size() const { return size_; }
    /// With zeros. A smaller size changes nothing.
    void grow(std::size_t bytes);
    /// Drops what lies behind. A larger size changes nothing.
    void cut(std::size_t bytes);
    /// Grows where it has to.
    void write(std::size_t at, std::span<const std::byte> bytes);
    /// **Requires** that all of it is there.
    void read(std::size_t at, std::span<std::byte> out) const;
    /// Makes [begin, end) as it is in `from`. **Requires** that both have it.
    void take(const SimPages& from, std::size_t begin, std::size_t end);
    /// **Requires** that both have it, and that it lies in one page.
    [[nodiscard]] bool differs(const SimPages& other, std::size_t at, std::size_t bytes) const;
    [[nodiscard]] std::vector<std::byte> all() const;

  private:
    using Page = std::array<std::byte, page_bytes>;
    /// Of a page, to be read.
    [[nodiscard]] const std::byte* shown(std::size_t page) const;
    /// Of a page that nobody shares.
    [[nodiscard]] std::byte* own(std::size_t page);
    void write_in_page(std::size_t at, std::span<const std::byte> bytes);

    std::vector<std::shared_ptr<Page>> pages_;  ///< null: zeros; so is what lies behind the end
    std::size_t size_ = 0;
};

}  // namespace millrace::storage
