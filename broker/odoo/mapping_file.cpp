#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include <yaml-cpp/yaml.h>

#include "broker/odoo/mapping.hpp"
#include "client/wire/topic_pattern.hpp"

// The mapping file: YAML whose leaves are jq programs.
//
//     mappings:
//       - topics: [plant1.mes.workorder.step]
//         when: .value.report == "D"
//         steps:
//           - model: mrp.workorder
//             external_id: '"step_" + (.headers["event-id"] | external_name)'
//             fields:
//               name: .value.operation

namespace millrace::broker::odoo {
namespace {

/// What every expression may use; docs/odoo.md lists it.
constexpr const char* prelude = R"(
def external_name:
  tostring | explode
  | map(if (. >= 48 and . <= 57) or (. >= 65 and . <= 90) or (. >= 97 and . <= 122) or . == 45
        then [.] | implode else "_" + tostring + "_" end)
  | add // "";
def odoo_datetime: . / 1000000 | floor | strftime("%Y-%m-%d %H:%M:%S");
)";

/// Where the reader is; makes the errors.
struct Reader {
    std::string name;

    [[nodiscard]] std::string place(const YAML::Mark& mark) const {
        return name + ":" + std::to_string(mark.line + 1);
    }
    [[nodiscard]] Error error(const YAML::Node& node, const std::string& text) const {
        return fail(Errc::configuration, place(node.Mark()) + ": " + text);
    }
};

std::string listed(std::span<const std::string_view> words) {
    std::string list;
    for (const auto& word : words) {
        list += list.empty() ? "" : ", ";
        list += word;
    }
    return list;
}

Result<void> check_keys(const Reader& reader,
                        const YAML::Node& map,
                        std::span<const std::string_view> known) {
    if (!map.IsMap()) {
        return reader.error(map, "a map of keys and values is wanted here");
    }
    for (const auto& entry : map) {
        const auto key = entry.first.as<std::string>();
        if (std::ranges::find(known, key) == known.end()) {
            return reader.error(entry.first,
                                "unknown key \"" + key + "\"; known here: " + listed(known));
        }
    }
    return ok();
}

Result<std::string> parse_text(const Reader& reader, const YAML::Node& map, const char* key) {
    const auto node = map[key];
    if (!node) {
        return reader.error(map, std::string("\"") + key + "\" is missing");
    }
    if (!node.IsScalar() || node.as<std::string>().empty()) {
        return reader.error(node, std::string(key) + " takes a text");
    }
    return node.as<std::string>();
}

Result<Expression> parse_expression(const Reader& reader,
                                    const std::string& name,
                                    const YAML::Node& node) {
    if (!node.IsScalar()) {
        return reader.error(node, name + " takes a jq program as text");
    }
    const auto text = node.as<std::string>();
    auto program = JqProgram::compile(prelude + text);
    if (!program) {
        return reader.error(node,
                            name + ": not a jq program: " + program.error().text +
                                "; a fixed text needs quotes inside the quotes: '\"text\"'");
    }
    return Expression{
        .name = name, .place = reader.place(node.Mark()), .program = std::move(program).value()};
}

Result<Step> parse_step(const Reader& reader, const YAML::Node& node) {
    constexpr std::array<std::string_view, 3> known{"model", "external_id", "fields"};
    MILLRACE_TRY(check_keys(reader, node, known));
    MILLRACE_TRY(auto model, parse_text(reader, node, "model"));
    if (!node["external_id"]) {
        return reader.error(node,
                            "\"external_id\" is missing: without it an event sent twice would "
                            "make two records");
    }
    MILLRACE_TRY(auto id, parse_expression(reader, "external_id", node["external_id"]));
    const auto fields = node["fields"];
    if (!fields || !fields.IsMap() || fields.size() == 0) {
        return reader.error(fields ? fields : node,
                            "\"fields\" takes a map of field to jq program");
    }
    Step step{.model = std::move(model), .external_id = std::move(id), .cells = {}};
    for (const auto& field : fields) {
        const auto name = field.first.as<std::string>();
        if (name == "id") {
            return reader.error(field.first, "the external id is set with external_id");
        }
        MILLRACE_TRY(auto cell, parse_expression(reader, name, field.second));
        step.cells.push_back(std::move(cell));
    }
    return step;
}

Result<Rule> parse_rule(const Reader& reader, const YAML::Node& node) {
    constexpr std::array<std::string_view, 3> known{"topics", "when", "steps"};
    MILLRACE_TRY(check_keys(reader, node, known));
    Rule rule;
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
    if (const auto when = node["when"]) {
        MILLRACE_TRY(auto expression, parse_expression(reader, "when", when));
        rule.when = std::move(expression);
    }
    const auto steps = node["steps"];
    if (!steps || !steps.IsSequence() || steps.size() == 0) {
        return reader.error(steps ? steps : node, "\"steps\" takes a list of upserts");
    }
    for (const auto& step : steps) {
        MILLRACE_TRY(auto parsed, parse_step(reader, step));
        rule.steps.push_back(std::move(parsed));
    }
    return rule;
}

Result<Mapping> parse_root(const Reader& reader, const YAML::Node& root) {
    constexpr std::array<std::string_view, 1> known{"mappings"};
    if (!root.IsMap()) {
        return fail(Errc::configuration,
                    reader.name + ": a mapping file starts with \"mappings:\"");
    }
    MILLRACE_TRY(check_keys(reader, root, known));
    const auto mappings = root["mappings"];
    if (!mappings || !mappings.IsSequence() || mappings.size() == 0) {
        return reader.error(root, "\"mappings\" takes a list");
    }
    std::vector<Rule> rules;
    for (const auto& mapping : mappings) {
        MILLRACE_TRY(auto rule, parse_rule(reader, mapping));
        rules.push_back(std::move(rule));
    }
    return Mapping(std::move(rules));
}

}  // namespace

Result<Mapping> parse_mapping(const std::string& name, const std::string& text) {
    // The library reports by exceptions; this is its one adapter.
    try {
        return parse_root(Reader{name}, YAML::Load(text));
    } catch (const YAML::Exception& error) {
        return fail(Errc::configuration,
                    name + ":" + std::to_string(error.mark.line + 1) + ": " + error.msg);
    }
}

Result<Mapping> parse_mapping_file(const std::string& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) {
        return fail(Errc::configuration, "cannot read the mapping " + path);
    }
    return parse_mapping(path, text.str());
}

}  // namespace millrace::broker::odoo
