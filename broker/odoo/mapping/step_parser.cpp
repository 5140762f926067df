#include "broker/odoo/mapping/step_parser.hpp"

#include <algorithm>
#include <array>
#include <regex>

#include "broker/odoo/mapping/known_traps.hpp"

namespace millrace::broker::odoo {
namespace {

using Keys = std::span<const std::string_view>;

constexpr std::uint64_t batch_max = 1'000;
constexpr std::uint64_t linger_ms_max = 60'000;
constexpr std::uint64_t cache_s_max = 86'400;

constexpr std::array<std::string_view, 10> upsert_keys{"name",
                                                       "action",
                                                       "model",
                                                       "only_if",
                                                       "unless",
                                                       "mode",
                                                       "external_id",
                                                       "fields",
                                                       "batch",
                                                       "linger_ms"};
constexpr std::array<std::string_view, 11> lookup_keys{"name",
                                                       "action",
                                                       "model",
                                                       "only_if",
                                                       "unless",
                                                       "external_id",
                                                       "domain",
                                                       "read",
                                                       "missing",
                                                       "cache_s",
                                                       "cache_missing_s"};
constexpr std::array<std::string_view, 11> create_keys{"name",
                                                       "action",
                                                       "model",
                                                       "only_if",
                                                       "unless",
                                                       "mode",
                                                       "fields",
                                                       "context",
                                                       "repeat_safe",
                                                       "batch",
                                                       "linger_ms"};
constexpr std::array<std::string_view, 12> write_keys{"name",
                                                      "action",
                                                      "model",
                                                      "only_if",
                                                      "unless",
                                                      "mode",
                                                      "id",
                                                      "fields",
                                                      "context",
                                                      "context_ids",
                                                      "batch",
                                                      "linger_ms"};
constexpr std::array<std::string_view, 15> call_keys{"name",
                                                     "action",
                                                     "model",
                                                     "only_if",
                                                     "unless",
                                                     "mode",
                                                     "id",
                                                     "method",
                                                     "arguments",
                                                     "context",
                                                     "context_ids",
                                                     "expect",
                                                     "repeat_safe",
                                                     "batch",
                                                     "linger_ms"};

Keys keys_of(Action action) {
    switch (action) {
        case Action::upsert:
            return upsert_keys;
        case Action::lookup:
            return lookup_keys;
        case Action::create:
            return create_keys;
        case Action::write:
            return write_keys;
        case Action::call:
            return call_keys;
    }
    return {};
}

Result<Action> parse_action(const YamlReader& reader, const YAML::Node& node) {
    const auto given = node["action"];
    if (!given) {
        return Action::upsert;
    }
    constexpr std::array all{
        Action::upsert, Action::lookup, Action::create, Action::write, Action::call};
    std::string known;
    for (const auto action : all) {
        if (given.IsScalar() && given.Scalar() == name_of(action)) {
            return action;
        }
        known += (known.empty() ? "" : ", ") + std::string(name_of(action));
    }
    return reader.error(given, "action is one of " + known);
}

Result<std::string> parse_name(const YamlReader& reader,
                               const YAML::Node& node,
                               std::span<const Step> before) {
    const auto given = node["name"];
    if (!given) {
        return std::string();
    }
    static const std::regex shape("[a-z][a-z0-9_]*");
    const auto name = given.IsScalar() ? given.Scalar() : std::string();
    if (!std::regex_match(name, shape)) {
        return reader.error(given, "name takes lower-case letters, digits and _");
    }
    if (std::ranges::find(before, name, &Step::name) != before.end()) {
        return reader.error(given, "a step above is named \"" + name + "\" already");
    }
    return name;
}

Result<Proof> parse_mode(const YamlReader& reader, const YAML::Node& node) {
    const auto given = node["mode"];
    if (!given || (given.IsScalar() && given.Scalar() == "upsert")) {
        return Proof::record;
    }
    if (given.IsScalar() && given.Scalar() == "ledger") {
        return Proof::ledger;
    }
    return reader.error(given, "mode is upsert or ledger");
}

Result<Json> parse_expected(const YamlReader& reader, const YAML::Node& value) {
    if (!value.IsScalar()) {
        return reader.error(value, "expect takes a value, or a list of values, for each field");
    }
    const auto& text = value.Scalar();
    const bool is_quoted = value.Tag() == "!";
    if (!is_quoted && (text == "true" || text == "false")) {
        return Json(text == "true");
    }
    const auto number = Json::parse(text, nullptr, false);
    if (!is_quoted && number.is_number()) {
        return number;
    }
    if (!is_odoo_name(text)) {
        return reader.error(value, "expect takes a number, true, false or a word of Odoo");
    }
    return Json(text);
}

/// One value, or each of a list.
Result<Json> parse_all_expected(const YamlReader& reader, const YAML::Node& node) {
    Json values = Json::array();
    if (!node.IsSequence()) {
        MILLRACE_TRY(auto value, parse_expected(reader, node));
        values.push_back(std::move(value));
        return values;
    }
    for (const auto& one : node) {
        MILLRACE_TRY(auto value, parse_expected(reader, one));
        values.push_back(std::move(value));
    }
    return values;
}

Result<Json> parse_expect(const YamlReader& reader, const YAML::Node& step) {
    Json expect = Json::object();
    const auto node = step["expect"];
    if (!node) {
        return expect;
    }
    if (!node.IsMap() || node.size() == 0) {
        return reader.error(node, "expect takes a map of field to value: {state: done}");
    }
    for (const auto& entry : node) {
        const auto field = entry.first.as<std::string>();
        if (!is_odoo_name(field)) {
            return reader.error(entry.first, "\"" + field + "\" is no name of a field");
        }
        MILLRACE_TRY(expect[field], parse_all_expected(reader, entry.second));
    }
    return expect;
}

/// A list of Odoo's names; empty when the key is not there.
Result<std::vector<std::string>> parse_names(const YamlReader& reader,
                                             const YAML::Node& node,
                                             const char* key) {
    std::vector<std::string> names;
    const auto list = node[key];
    if (!list) {
        return names;
    }
    if (!list.IsSequence()) {
        return reader.error(list, std::string(key) + " takes a list of names");
    }
    for (const auto& name : list) {
        if (!name.IsScalar() || !is_odoo_name(name.Scalar())) {
            return reader.error(name, std::string(key) + " takes a list of names");
        }
        names.push_back(name.Scalar());
    }
    return names;
}

Result<void> parse_lookup(const YamlReader& reader, const YAML::Node& node, Step& step) {
    if (step.external_id.has_value() == step.domain.has_value()) {
        return reader.error(node, "a lookup takes external_id or domain, one of them");
    }
    MILLRACE_TRY(step.read, parse_names(reader, node, "read"));
    if (const auto missing = node["missing"]) {
        const auto word = missing.IsScalar() ? missing.Scalar() : std::string();
        if (word != "fault" && word != "null") {
            return reader.error(missing, "missing is fault (the event fails) or null");
        }
        step.may_be_missing = word == "null";
    }
    MILLRACE_TRY(const auto cache,
                 reader.number(node, "cache_s", {.otherwise = 300, .max = cache_s_max}));
    MILLRACE_TRY(const auto none,
                 reader.number(node, "cache_missing_s", {.otherwise = 5, .max = cache_s_max}));
    step.cache = std::chrono::seconds(cache);
    step.cache_missing = std::chrono::seconds(none);
    return ok();
}

Result<void> parse_upsert(const YamlReader& reader, const YAML::Node& node, const Step& step) {
    if (!step.external_id) {
        return reader.error(node,
                            "\"external_id\" is missing: without it an event sent twice would "
                            "make two records");
    }
    if (step.proof == Proof::ledger) {
        return reader.error(node["mode"],
                            "an upsert proves itself by its external id; the ledger is for "
                            "create, write and call");
    }
    const auto id = std::ranges::find(step.fields, "id", &Expression::name);
    if (id != step.fields.end()) {
        return fail(Errc::configuration, id->place + ": the external id is set with external_id");
    }
    return ok();
}

Result<void> check_parts(const YamlReader& reader, const YAML::Node& node, Step& step) {
    if (step.action == Action::lookup) {
        return parse_lookup(reader, node, step);
    }
    if (step.action == Action::upsert) {
        MILLRACE_TRY(parse_upsert(reader, node, step));
    }
    if (step.action != Action::call && step.fields.empty()) {
        return reader.error(node, "\"fields\" takes a map of names to jq programs");
    }
    if ((step.action == Action::write || step.action == Action::call) && !step.id) {
        return reader.error(node, "\"id\" is missing: which record? For example .steps.order.id");
    }
    for (const auto& name : step.context_ids) {
        if (std::ranges::find(step.context, name, &Expression::name) != step.context.end()) {
            return reader.error(node, "\"" + name + "\" is in context and in context_ids");
        }
    }
    if (const auto trap = find_trap(step)) {
        return reader.error(node, *trap);
    }
    return ok();
}

/// Two steps of the ledger that did the same of the same model would share their marker.
Result<void> check_marker(const YamlReader& reader,
                          const YAML::Node& node,
                          const Step& step,
                          std::span<const Step> before) {
    const bool is_taken = std::ranges::any_of(before, [&](const Step& other) {
        return other.proof == Proof::ledger && other.model == step.model &&
               other.label() == step.label();
    });
    if (step.proof == Proof::ledger && is_taken) {
        return reader.error(node,
                            "a step above does the same in the ledger: give one of them a name, "
                            "markers are called after it");
    }
    return ok();
}

Result<void> parse_programs(const YamlReader& reader, const YAML::Node& node, Step& step) {
    MILLRACE_TRY(step.only_if, reader.optional_expression(node, "only_if"));
    MILLRACE_TRY(step.unless, reader.optional_expression(node, "unless"));
    MILLRACE_TRY(step.external_id, reader.optional_expression(node, "external_id"));
    MILLRACE_TRY(step.domain, reader.optional_expression(node, "domain"));
    MILLRACE_TRY(step.id, reader.optional_expression(node, "id"));
    MILLRACE_TRY(step.fields, reader.expressions(node, "fields"));
    MILLRACE_TRY(step.arguments, reader.expressions(node, "arguments"));
    MILLRACE_TRY(step.context, reader.expressions(node, "context"));
    MILLRACE_TRY(step.context_ids, parse_names(reader, node, "context_ids"));
    return ok();
}

}  // namespace

Result<void> check_step_names(const YamlReader& reader,
                              const YAML::Node& node,
                              std::span<const Step> before) {
    if (node.IsMap()) {
        for (const auto& entry : node) {
            MILLRACE_TRY(check_step_names(reader, entry.second, before));
        }
    }
    if (!node.IsScalar()) {
        return ok();
    }
    static const std::regex mention(R"(\.steps\.([a-z][a-z0-9_]*))");
    const auto& text = node.Scalar();
    for (auto found = std::sregex_iterator(text.begin(), text.end(), mention);
         found != std::sregex_iterator();
         ++found) {
        const auto name = (*found)[1].str();
        if (std::ranges::find(before, name, &Step::name) == before.end()) {
            return reader.error(node, "no step above is named \"" + name + "\"");
        }
    }
    return ok();
}

Result<Step> parse_step(const YamlReader& reader,
                        const YAML::Node& node,
                        std::span<const Step> before) {
    if (!node.IsMap()) {
        return reader.error(node, "a step is a map: model, external_id, fields");
    }
    Step step;
    step.place = reader.place(node);
    MILLRACE_TRY(step.action, parse_action(reader, node));
    MILLRACE_TRY(reader.check_keys(node, keys_of(step.action)));
    MILLRACE_TRY(step.model, reader.text(node, "model"));
    if (step.model.find('/') != std::string::npos) {
        return reader.error(node["model"], "model takes a name such as mrp.production");
    }
    MILLRACE_TRY(step.name, parse_name(reader, node, before));
    MILLRACE_TRY(step.proof, parse_mode(reader, node));
    if (step.action == Action::call) {
        MILLRACE_TRY(step.method, reader.text(node, "method"));
        if (step.method.starts_with('_')) {
            return reader.error(node["method"], "Odoo lets nobody call a private method");
        }
        static const std::regex shape("[a-z][a-z0-9_]*");  // it becomes code of the ledger
        if (!std::regex_match(step.method, shape)) {
            return reader.error(node["method"], "method takes lower-case letters, digits and _");
        }
    }
    MILLRACE_TRY(parse_programs(reader, node, step));
    MILLRACE_TRY(check_step_names(reader, node, before));
    MILLRACE_TRY(step.expect, parse_expect(reader, node));
    MILLRACE_TRY(step.is_repeat_safe, reader.flag(node, "repeat_safe"));
    MILLRACE_TRY(step.batch_records_max,
                 reader.number(node, "batch", {.otherwise = 0, .max = batch_max}));
    MILLRACE_TRY(const auto linger,
                 reader.number(node, "linger_ms", {.otherwise = 0, .max = linger_ms_max}));
    step.linger = std::chrono::milliseconds(linger);
    MILLRACE_TRY(check_parts(reader, node, step));
    MILLRACE_TRY(check_marker(reader, node, step, before));
    return step;
}

}  // namespace millrace::broker::odoo
