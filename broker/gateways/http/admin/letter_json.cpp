#include "broker/gateways/http/admin/letter_json.hpp"

#include <algorithm>

#include "broker/gateways/http/admin/members.hpp"
#include "broker/gateways/http/records/record_text.hpp"

namespace millrace::broker::http {
namespace {

/// Parameters as members, so that both are read by the same lines.
Json as_members(const Target& target) {
    auto members = Json::object();
    for (const auto& [name, value] : target.query) {
        members[name] = value;
    }
    return members;
}

delivery::LetterQuery query_of(const Json& members, std::string subscription) {
    delivery::LetterQuery query;
    query.subscription = std::move(subscription);
    take_named(members, "cause", cause_names, query.cause);
    take_named(members, "state", letter_state_names, query.state);
    take(members, "key", query.key);
    take(members, "error_contains", query.error_contains);
    take(members, "correlation_id", query.correlation_id);
    take(members, "where", query.where);
    take_moment(members, "since", query.since_us);
    take_moment(members, "before", query.before_us);
    return query;
}

Json record_json(const std::vector<std::byte>& bytes, const delivery::Letter& letter) {
    const auto record = wire::parse_plain_record(bytes);
    if (!record) {
        return {{"error", record.error().text}};
    }
    auto json = Json::parse(record_to_json(record.value(),
                                           {.topic = letter.topic,
                                            .partition_index = letter.partition_index,
                                            .offset = letter.shown_offset(),
                                            .append_time_us = letter.append_time_us}),
                            nullptr,
                            false);
    return json.is_discarded() ? Json{{"error", "the record can't be shown as JSON"}}
                               : std::move(json);
}

using GroupsByName = std::map<delivery::LetterGroupName, delivery::LetterGroup>;

void add_group(GroupsByName& all,
               const delivery::LetterGroupName& name,
               const delivery::LetterGroup& group) {
    const auto [found, is_new] = all.emplace(name, group);
    if (is_new) {
        return;
    }
    auto& sum = found->second;
    sum.count += group.count;
    sum.first_failure_us = std::min(sum.first_failure_us, group.first_failure_us);
    sum.last_failure_us = std::max(sum.last_failure_us, group.last_failure_us);
}

}  // namespace

std::vector<Field> letter_filter_fields() {
    return {{.name = "cause", .help = "Why they failed.", .one_of = words_of(cause_names)},
            {.name = "state", .help = "How they stand.", .one_of = words_of(letter_state_names)},
            {.name = "key", .help = "Of this key."},
            {.name = "error_contains", .help = "Whose error has this text."},
            {.name = "correlation_id", .help = "With this correlation id."},
            {.name = "where", .help = "Those that this jq program says true to."},
            {.name = "since", .type = FieldType::moment, .help = "Failed last at or after this."},
            {.name = "before", .type = FieldType::moment, .help = "Failed last before this."}};
}

delivery::LetterQuery letter_query_from(const Call& call) {
    auto query = query_of(as_members(call.target), call.path_param("subscription"));
    if (const auto after = call.target.param("after_id")) {
        query.after_id = integer_of(*after);
    }
    if (const auto limit = call.target.param("limit")) {
        query.limit = std::max(1U, static_cast<std::uint32_t>(integer_of(*limit)));
    }
    return query;
}

delivery::LetterQuery letter_query_from_body(const Call& call) {
    return query_of(call.body, call.path_param("subscription"));
}

Json to_json(const delivery::Letter& letter) {
    Json json{{"id", letter.id},
              {"subscription", letter.subscription},
              {"topic", letter.topic},
              {"partition", letter.partition_index},
              {"offset", letter.shown_offset().value},
              {"key", letter.key},
              {"cause", name_in(cause_names, letter.cause)},
              {"error", letter.error},
              {"response", letter.response},
              {"attempts", letter.attempts},
              {"first_failure_us", letter.first_failure_us},
              {"last_failure_us", letter.last_failure_us},
              {"append_time_us", letter.append_time_us},
              {"correlation_id", letter.correlation_id},
              {"state", name_in(letter_state_names, letter.state)},
              {"parked_behind", letter.parked_behind},
              {"actions", Json::array()}};
    for (const auto& action : letter.actions) {
        json["actions"].push_back({{"time_us", action.time_us},
                                   {"action", action.action},
                                   {"by", action.by},
                                   {"text", action.text}});
    }
    if (!letter.record.empty()) {
        json["record"] = record_json(letter.record, letter);
    }
    if (!letter.edited.empty()) {
        json["edited"] = record_json(letter.edited, letter);
    }
    return json;
}

Json groups_json(const std::vector<delivery::LetterGroups>& shards) {
    GroupsByName all;
    for (const auto& part : shards) {
        for (const auto& [name, group] : part.groups) {
            add_group(all, name, group);
        }
    }
    std::vector<std::pair<delivery::LetterGroupName, delivery::LetterGroup>> sorted(all.begin(),
                                                                                    all.end());
    std::ranges::stable_sort(
        sorted, std::greater{}, [](const auto& one) { return one.second.count; });
    auto list = Json::array();
    for (const auto& [name, group] : sorted) {
        list.push_back({{"cause", name_in(cause_names, name.first)},
                        {"name", name.second},
                        {"count", group.count},
                        {"first_failure_us", group.first_failure_us},
                        {"last_failure_us", group.last_failure_us},
                        {"example_id", group.example_id},
                        {"example", group.example}});
    }
    return list;
}

}  // namespace millrace::broker::http
