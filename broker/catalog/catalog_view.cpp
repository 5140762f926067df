#include "broker/catalog/catalog_view.hpp"

#include <algorithm>

#include "client/wire/topic_pattern.hpp"

namespace millrace::broker {

std::vector<std::shared_ptr<const TopicInfo>> CatalogView::matching(
    const std::vector<std::string>& patterns) const {
    std::vector<std::shared_ptr<const TopicInfo>> found;
    for (const auto& [name, topic] : topics) {
        const auto matches = [&name = name](const std::string& pattern) {
            return wire::is_match(pattern, name);
        };
        if (patterns.empty() || std::ranges::any_of(patterns, matches)) {
            found.push_back(topic);
        }
    }
    return found;
}

}  // namespace millrace::broker
