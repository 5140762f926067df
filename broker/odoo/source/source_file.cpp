#include "broker/odoo/source/source_file.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "broker/config/yaml_reader.hpp"
#include "broker/odoo/mapping/yaml_reader.hpp"
#include "client/wire/topic_pattern.hpp"

// The source file: YAML whose leaves are jq programs.
//
//     models:
//       - model: sale.order
//         fields: [name, state, amount_total]
//         only_if: .record.state == "sale"
//         topic: '"odoo.sale.order.confirmed"'
//         key: .record.name

namespace millrace::broker::odoo {
namespace {

using Words = std::span<const std::string_view>;

constexpr std::size_t file_bytes_max = 1U << 20U;
constexpr std::size_t models_max = 200;
constexpr std::uint64_t read_after_ms_max = 60'000;
constexpr std::uint64_t seconds_max = 86'400;
constexpr std::uint64_t page_records_max = 5'000;

Result<std::string> scalar(const YamlReader& reader, const YAML::Node& map, const char* key) {
    const auto node = map[key];
    if (!node.IsScalar() || node.Scalar().empty()) {
        return reader.error(node, std::string(key) + " takes a text");
    }
    return node.Scalar();
}

Result<std::uint64_t> positive(const YamlReader& reader,
                               const YAML::Node& map,
                               const char* key,
                               YamlReader::Range range) {
    MILLRACE_TRY(const auto value, reader.number(map, key, range));
    if (value == 0) {
        return reader.error(
            map[key], std::string(key) + " takes a number from 1 to " + std::to_string(range.max));
    }
    return value;
}

Result<HintRules> parse_hints(const YamlReader& reader, const YAML::Node& node) {
    constexpr std::array<std::string_view, 4> known{
        "topic", "subscription", "read_after_ms", "wait_max_s"};
    MILLRACE_TRY(reader.check_keys(node, known));
    HintRules rules;
    if (node["topic"]) {
        MILLRACE_TRY(rules.topic, scalar(reader, node, "topic"));
        if (!wire::is_topic_name(rules.topic)) {
            return reader.error(node["topic"], "\"" + rules.topic + "\" is no name of a topic");
        }
    }
    if (node["subscription"]) {
        MILLRACE_TRY(rules.subscription, scalar(reader, node, "subscription"));
    }
    MILLRACE_TRY(
        const auto after,
        reader.number(node, "read_after_ms", {.otherwise = 1'000, .max = read_after_ms_max}));
    MILLRACE_TRY(const auto wait,
                 positive(reader, node, "wait_max_s", {.otherwise = 60, .max = seconds_max}));
    rules.read_after = std::chrono::milliseconds(after);
    rules.wait_max = std::chrono::seconds(wait);
    return rules;
}

Result<SweepRules> parse_sweep(const YamlReader& reader, const YAML::Node& node) {
    constexpr std::array<std::string_view, 4> known{
        "interval_s", "overlap_s", "page_records", "from"};
    MILLRACE_TRY(reader.check_keys(node, known));
    SweepRules rules;
    MILLRACE_TRY(const auto interval,
                 positive(reader, node, "interval_s", {.otherwise = 60, .max = seconds_max}));
    MILLRACE_TRY(const auto overlap,
                 positive(reader, node, "overlap_s", {.otherwise = 600, .max = seconds_max}));
    MILLRACE_TRY(
        rules.page_records,
        positive(reader, node, "page_records", {.otherwise = 500, .max = page_records_max}));
    rules.interval = std::chrono::seconds(interval);
    rules.overlap = std::chrono::seconds(overlap);
    if (const auto from = node["from"]) {
        const auto word = from.IsScalar() ? from.Scalar() : std::string();
        if (word != "now" && word != "beginning") {
            return reader.error(from, "from takes now or beginning");
        }
        rules.begins_at_beginning = word == "beginning";
    }
    return rules;
}

Result<std::vector<std::string>> parse_fields(const YamlReader& reader, const YAML::Node& map) {
    const auto node = map["fields"];
    if (!node || !node.IsSequence() || node.size() == 0) {
        return reader.error(node ? node : map, "\"fields\" takes a list of fields of the model");
    }
    std::vector<std::string> fields;
    for (const auto& field : node) {
        if (!field.IsScalar() || !is_odoo_name(field.Scalar())) {
            return reader.error(field, "fields takes names of fields");
        }
        fields.push_back(field.Scalar());
    }
    return fields;
}

Result<std::optional<DeletedRule>> parse_deleted(const YamlReader& reader, const YAML::Node& map) {
    const auto node = map["deleted"];
    if (!node) {
        return std::optional<DeletedRule>();
    }
    constexpr std::array<std::string_view, 2> known{"when", "topic"};
    MILLRACE_TRY(reader.check_keys(node, known));
    if (!node["when"] || !node["topic"]) {
        return reader.error(node, "\"deleted\" takes \"when\", of the hint, and \"topic\"");
    }
    MILLRACE_TRY(auto when, reader.expression("deleted.when", node["when"]));
    MILLRACE_TRY(auto topic, reader.expression("deleted.topic", node["topic"]));
    return std::optional(DeletedRule{.when = std::move(when), .topic = std::move(topic)});
}

/// The sweep adds conditions of its own behind these.
Result<Json> parse_domain(const YamlReader& reader, const YAML::Node& map) {
    const auto node = map["domain"];
    if (!node) {
        return Json::array();
    }
    auto domain = Json::parse(node.IsScalar() ? node.Scalar() : "", nullptr, false);
    if (!domain.is_array()) {
        return reader.error(
            node, "domain takes a list of conditions as JSON: '[[\"company_id\", \"=\", 1]]'");
    }
    return domain;
}

Result<SourceModel> parse_model(const YamlReader& reader, const YAML::Node& node) {
    constexpr std::array<std::string_view, 9> known{
        "model", "fields", "only_if", "topic", "key", "value", "deleted", "domain", "sweep"};
    MILLRACE_TRY(reader.check_keys(node, known));
    MILLRACE_TRY(auto name, reader.text(node, "model"));
    MILLRACE_TRY(auto fields, parse_fields(reader, node));
    if (!node["topic"]) {
        return reader.error(node, "\"topic\" is missing; a fixed one is '\"odoo.sale.order\"'");
    }
    MILLRACE_TRY(auto topic, reader.expression("topic", node["topic"]));
    SourceModel model{.place = reader.place(node),
                      .model = std::move(name),
                      .fields = std::move(fields),
                      .only_if = {},
                      .topic = std::move(topic),
                      .key = {},
                      .value = {},
                      .deleted = {}};
    MILLRACE_TRY(model.only_if, reader.optional_expression(node, "only_if"));
    MILLRACE_TRY(model.key, reader.optional_expression(node, "key"));
    MILLRACE_TRY(model.value, reader.optional_expression(node, "value"));
    MILLRACE_TRY(model.deleted, parse_deleted(reader, node));
    MILLRACE_TRY(model.domain, parse_domain(reader, node));
    if (node["sweep"]) {
        MILLRACE_TRY(model.is_swept, reader.flag(node, "sweep"));
    }
    return model;
}

Result<SourceFile> parse_root(const std::string& name, const YAML::Node& root) {
    constexpr std::array<std::string_view, 3> known{"hints", "sweep", "models"};
    if (!root.IsMap()) {
        return fail(Errc::configuration, name + ": a source file has \"models:\"");
    }
    const YamlReader reader(name);
    MILLRACE_TRY(reader.check_keys(root, known));
    SourceFile file;
    if (root["hints"]) {
        MILLRACE_TRY(file.hints, parse_hints(reader, root["hints"]));
    }
    if (root["sweep"]) {
        MILLRACE_TRY(file.sweep, parse_sweep(reader, root["sweep"]));
    }
    const auto models = root["models"];
    if (!models || !models.IsSequence() || models.size() == 0 || models.size() > models_max) {
        return reader.error(models ? models : root,
                            "\"models\" takes a list of 1 to " + std::to_string(models_max));
    }
    std::set<std::string> seen;
    for (const auto& node : models) {
        MILLRACE_TRY(auto model, parse_model(reader, node));
        if (!seen.insert(model.model).second) {
            return reader.error(node, "the model " + model.model + " stands here twice");
        }
        file.models.push_back(std::move(model));
    }
    return file;
}

}  // namespace

const SourceModel* SourceFile::model(std::string_view name) const {
    const auto found = std::ranges::find(models, name, &SourceModel::model);
    return found == models.end() ? nullptr : &*found;
}

Result<SourceFile> parse_source_file(const std::string& name, const std::string& text) {
    if (text.size() > file_bytes_max) {
        return fail(Errc::configuration,
                    name + ": more than " + std::to_string(file_bytes_max) + " bytes");
    }
    return read_yaml(name, text, [&](const YAML::Node& root) { return parse_root(name, root); });
}

Result<SourceFile> load_source_file(const std::string& path) {
    MILLRACE_TRY(const auto text, load_text(path, "the source file "));
    return parse_source_file(path, text);
}

}  // namespace millrace::broker::odoo
