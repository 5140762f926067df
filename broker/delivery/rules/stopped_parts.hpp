#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace millrace::broker::delivery {

/// Parts of what a subscription carries that its consumer has stopped, while all else flows: a
/// mapping that may not write its model.
///
/// Promise:  at most `parts_max`; a part is stopped by the session that said so last, and ends with
///           that session.
/// Threads:  the shard's.
class StoppedParts {
  public:
    static constexpr std::size_t parts_max = 64;

    enum class Stopped : std::uint8_t { newly, again, refused };
    /// Refused at the limit: then it is better that all of the subscription stops.
    [[nodiscard]] Stopped stop(std::uint64_t session, const std::string& part, std::string reason);
    /// True when it was stopped.
    bool resume(const std::string& part) { return parts_.erase(part) > 0; }
    void forget_session(std::uint64_t session) {
        std::erase_if(parts_, [&](const auto& part) { return part.second.session == session; });
    }
    void clear() { parts_.clear(); }

    [[nodiscard]] std::size_t size() const { return parts_.size(); }
    /// Empty when nothing is stopped; else the first part, why, and how many more.
    [[nodiscard]] std::string reason() const;

  private:
    struct Part {
        std::uint64_t session = 0;
        std::string reason;
    };
    std::map<std::string, Part> parts_;
};

}  // namespace millrace::broker::delivery
