#include "broker/catalog/catalog_view.hpp"

#include <algorithm>

#include "broker/catalog/replay_topic.hpp"
#include "client/wire/topic_pattern.hpp"

namespace millrace::broker {

std::vector<std::shared_ptr<const TopicInfo>> CatalogView::matching(
    const std::vector<std::string>& patterns) const {
    std::vector<std::shared_ptr<const TopicInfo>> found;
    for (const auto& [name, topic] : topics) {
        const auto matches = [&name = name](const std::string& pattern) {
            const bool may_match = !is_internal_topic(name) || is_internal_topic(pattern);
            return may_match && wire::is_match(pattern, name);
        };
        const bool is_any = patterns.empty() && !is_internal_topic(name);
        if (is_any || std::ranges::any_of(patterns, matches)) {
            found.push_back(topic);
        }
    }
    return found;
}

}  // namespace millrace::broker
