#include <algorithm>
#include <array>

#include "broker/config/yaml_reader.hpp"
#include "broker/odoo/mapping/mapping.hpp"
#include "broker/odoo/mapping/step_parser.hpp"
#include "client/wire/topic_pattern.hpp"

// The mapping file: YAML whose leaves are jq programs.
//
//     feed: plant1        (brokers that share the ledger of one Odoo)
//     mappings:
//       - topics: [plant1.mes.workorder.step]
//         when: .value.report == "D"
//         lane: .value.product
//         steps:
//           - model: mrp.workorder
//             external_id: '"step_" + (.headers["event-id"] | external_name)'
//             fields:
//               name: .value.operation

namespace millrace::broker::odoo {
namespace {

constexpr std::size_t file_bytes_max = 4U << 20U;
constexpr std::size_t steps_max = 32;

Result<void> parse_topics(const YamlReader& reader, const YAML::Node& node, Rule& rule) {
    const auto topics = node["topics"];
    if (!topics || !topics.IsSequence() || topics.size() == 0) {
        return reader.error(topics ? topics : node,
                            "\"topics\" takes a list of topics or patterns");
    }
    for (const auto& topic : topics) {
        auto pattern = topic.as<std::string>();
        if (!wire::is_topic_pattern(pattern)) {
            return reader.error(topic, "\"" + pattern + "\" is no topic or pattern");
        }
        rule.topics.push_back(std::move(pattern));
    }
    return ok();
}

Result<Rule> parse_rule(const YamlReader& reader, const YAML::Node& node) {
    constexpr std::array<std::string_view, 5> known{"topics", "when", "event_id", "lane", "steps"};
    MILLRACE_TRY(reader.check_keys(node, known));
    Rule rule;
    rule.place = reader.place(node);
    MILLRACE_TRY(parse_topics(reader, node, rule));
    for (const char* const key : {"when", "event_id", "lane"}) {
        if (const auto program = node[key]) {
            MILLRACE_TRY(check_step_names(reader, program, {}));
        }
    }
    MILLRACE_TRY(rule.when, reader.optional_expression(node, "when"));
    MILLRACE_TRY(rule.event_id, reader.optional_expression(node, "event_id"));
    MILLRACE_TRY(rule.lane, reader.optional_expression(node, "lane"));
    const auto steps = node["steps"];
    if (!steps || !steps.IsSequence() || steps.size() == 0) {
        return reader.error(steps ? steps : node, "\"steps\" takes a list of steps");
    }
    if (steps.size() > steps_max) {
        return reader.error(steps, "more than " + std::to_string(steps_max) + " steps");
    }
    for (const auto& step : steps) {
        MILLRACE_TRY(auto parsed, parse_step(reader, step, rule.steps));
        rule.steps.push_back(std::move(parsed));
    }
    return rule;
}

/// Letters, digits and hyphens alone: then no name of a marker begins like that of another feed.
Result<std::string> parse_feed(const YamlReader& reader, const YAML::Node& root) {
    const auto node = root["feed"];
    if (!node) {
        return std::string();
    }
    const auto name = node.IsScalar() ? node.Scalar() : std::string();
    const auto is_plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-';
    };
    if (name.empty() || name.size() > feed_name_bytes_max || !std::ranges::all_of(name, is_plain)) {
        return reader.error(node,
                            "\"feed\" takes a name of letters, digits and hyphens, at most " +
                                std::to_string(feed_name_bytes_max));
    }
    return name;
}

Result<Mapping> parse_root(const std::string& name, const YAML::Node& root) {
    constexpr std::array<std::string_view, 2> known{"feed", "mappings"};
    if (!root.IsMap()) {
        return fail(Errc::configuration, name + ": a mapping file starts with \"mappings:\"");
    }
    const YamlReader reader(name);
    MILLRACE_TRY(reader.check_keys(root, known));
    MILLRACE_TRY(const auto feed, parse_feed(reader, root));
    const auto mappings = root["mappings"];
    if (!mappings || !mappings.IsSequence() || mappings.size() == 0) {
        return reader.error(root, "\"mappings\" takes a list");
    }
    std::vector<Rule> rules;
    for (const auto& mapping : mappings) {
        MILLRACE_TRY(auto rule, parse_rule(reader, mapping));
        rule.feed = feed;
        rules.push_back(std::move(rule));
    }
    return Mapping(std::move(rules));
}

}  // namespace

Result<Mapping> parse_mapping(const std::string& name, const std::string& text) {
    if (text.size() > file_bytes_max) {
        return fail(Errc::configuration,
                    name + ": more than " + std::to_string(file_bytes_max) + " bytes");
    }
    return read_yaml(name, text, [&](const YAML::Node& root) { return parse_root(name, root); });
}

Result<Mapping> parse_mapping_file(const std::string& path) {
    MILLRACE_TRY(const auto text, load_text(path, "the mapping "));
    return parse_mapping(path, text);
}

}  // namespace millrace::broker::odoo
