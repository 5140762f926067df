#include "broker/delivery/rules/stopped_parts.hpp"

#include <utility>

namespace millrace::broker::delivery {

StoppedParts::Stopped StoppedParts::stop(std::uint64_t session,
                                         const std::string& part,
                                         std::string reason) {
    const auto known = parts_.find(part);
    if (known == parts_.end() && parts_.size() >= parts_max) {
        return Stopped::refused;
    }
    parts_[part] = {.session = session, .reason = std::move(reason)};
    return known == parts_.end() ? Stopped::newly : Stopped::again;
}

std::string StoppedParts::reason() const {
    if (parts_.empty()) {
        return {};
    }
    const auto& [part, first] = *parts_.begin();
    const auto others = parts_.size() - 1;
    return part + " is stopped, " + first.reason +
           (others == 0 ? "" : "; and " + std::to_string(others) + " more");
}

}  // namespace millrace::broker::delivery
