#include "broker/odoo/mapping/yaml_reader.hpp"

#include <algorithm>
#include <charconv>

#include "storage/base/text/edit_distance.hpp"

namespace millrace::broker::odoo {
namespace {

constexpr std::size_t near_letters_max = 3;

std::string nearest(std::string_view word, std::span<const std::string_view> known) {
    std::string_view best;
    for (const auto one : known) {
        if (best.empty() || edit_distance(word, one) < edit_distance(word, best)) {
            best = one;
        }
    }
    return edit_distance(word, best) < near_letters_max
               ? "did you mean \"" + std::string(best) + "\"? "
               : "";
}

}  // namespace

std::string listed(std::span<const std::string_view> words) {
    std::string list;
    for (const auto& word : words) {
        list += list.empty() ? "" : ", ";
        list += word;
    }
    return list;
}

bool is_odoo_name(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '.' || c == '/';
    });
}

std::string YamlReader::place(const YAML::Node& node) const {
    return name_ + ":" + std::to_string(node.Mark().line + 1);
}

Error YamlReader::error(const YAML::Node& node, const std::string& text) const {
    return fail(Errc::configuration, place(node) + ": " + text);
}

Result<void> YamlReader::check_keys(const YAML::Node& map,
                                    std::span<const std::string_view> known) const {
    if (!map.IsMap()) {
        return error(map, "a map of keys and values is wanted here");
    }
    for (const auto& entry : map) {
        const auto key = entry.first.as<std::string>();
        if (std::ranges::find(known, key) == known.end()) {
            return error(entry.first,
                         "unknown key \"" + key + "\"; " + nearest(key, known) +
                             "known here: " + listed(known));
        }
    }
    return ok();
}

Result<std::string> YamlReader::text(const YAML::Node& map, const char* key) const {
    const auto node = map[key];
    if (!node) {
        return error(map, std::string("\"") + key + "\" is missing");
    }
    if (!node.IsScalar() || !is_odoo_name(node.Scalar())) {
        return error(node, std::string(key) + " takes a name of Odoo");
    }
    return node.Scalar();
}

Result<bool> YamlReader::flag(const YAML::Node& map, const char* key) const {
    const auto node = map[key];
    if (!node) {
        return false;
    }
    if (!node.IsScalar() || (node.Scalar() != "true" && node.Scalar() != "false")) {
        return error(node, std::string(key) + " takes true or false");
    }
    return node.Scalar() == "true";
}

Result<std::uint64_t> YamlReader::number(const YAML::Node& map,
                                         const char* key,
                                         Range range) const {
    const auto node = map[key];
    if (!node) {
        return range.otherwise;
    }
    const auto text = node.IsScalar() ? node.Scalar() : std::string();
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (code != std::errc{} || end != text.data() + text.size() || value > range.max) {
        return error(node, std::string(key) + " takes a number up to " + std::to_string(range.max));
    }
    return value;
}

Result<Expression> YamlReader::expression(const std::string& name, const YAML::Node& node) const {
    if (!node.IsScalar() || node.Scalar().find('\0') != std::string::npos) {
        return error(node, name + " takes a jq program as text");
    }
    auto program = expressions::JqProgram::compile(expression_prelude() + node.Scalar());
    if (!program) {
        return error(node,
                     name + ": not a jq program: " + program.error().text +
                         "; a fixed text needs quotes inside the quotes: '\"text\"'");
    }
    return Expression{.name = name, .place = place(node), .program = std::move(program).value()};
}

Result<std::optional<Expression>> YamlReader::optional_expression(const YAML::Node& map,
                                                                  const char* key) const {
    const auto node = map[key];
    if (!node) {
        return std::optional<Expression>();
    }
    MILLRACE_TRY(auto made, expression(key, node));
    return std::optional<Expression>(std::move(made));
}

Result<std::vector<Expression>> YamlReader::expressions(const YAML::Node& map,
                                                        const char* key) const {
    std::vector<Expression> made;
    const auto node = map[key];
    if (!node) {
        return made;
    }
    if (!node.IsMap() || node.size() == 0) {
        return error(node, "\"" + std::string(key) + "\" takes a map of names to jq programs");
    }
    for (const auto& entry : node) {
        const auto name = entry.first.as<std::string>();
        if (!is_odoo_name(name)) {
            return error(entry.first, "\"" + name + "\" is no name of a field");
        }
        MILLRACE_TRY(auto one, expression(name, entry.second));
        made.push_back(std::move(one));
    }
    return made;
}

}  // namespace millrace::broker::odoo
