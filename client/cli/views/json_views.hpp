#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "millrace/admin.hpp"

namespace millrace::cli {

class Session;

/// What `--output json` shows. Names are those of the client library, times are microseconds since
/// 1970, lengths of time milliseconds.
[[nodiscard]] nlohmann::ordered_json to_json(const TopicDescription& topic);
[[nodiscard]] nlohmann::ordered_json to_json(const GroupDescription& group);
[[nodiscard]] nlohmann::ordered_json to_json(const CommittedOffset& committed);
[[nodiscard]] nlohmann::ordered_json to_json(const SubscriptionStatus& status);
[[nodiscard]] nlohmann::ordered_json to_json(const Letter& letter);
[[nodiscard]] nlohmann::ordered_json to_json(const NodeStatus& status);

/// One document on stdout.
void print_json(Session& session, const nlohmann::ordered_json& document);
/// All of them as one list on stdout.
template <class Item>
void print_json_list(Session& session, const std::vector<Item>& items) {
    auto list = nlohmann::ordered_json::array();
    for (const Item& item : items) {
        list.push_back(to_json(item));
    }
    print_json(session, list);
}

/// "beginning", "end", or the time.
[[nodiscard]] std::string format_start(const StartPosition& start);
/// A position that covers many partitions: `beginning`, `end` or `@TIME`. Throws UsageError.
[[nodiscard]] StartPosition parse_start(const std::string& text, const std::string& what);

}  // namespace millrace::cli
