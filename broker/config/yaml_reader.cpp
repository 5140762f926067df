#include "broker/config/yaml_reader.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

namespace millrace::broker {

Error YamlReader::error(const YAML::Node& node, const std::string& text) const {
    return fail(Errc::configuration,
                name_ + ":" + std::to_string(node.Mark().line + 1) + ": " + text);
}

Result<void> YamlReader::check_keys(const YAML::Node& map,
                                    std::span<const std::string_view> known) const {
    if (!map.IsMap()) {
        return error(map, "a map of keys and values is wanted here");
    }
    for (const auto& entry : map) {
        const auto key = entry.first.as<std::string>();
        if (std::ranges::find(known, key) != known.end()) {
            continue;
        }
        auto text = "unknown key \"" + key + "\"; known here: ";
        for (const auto& word : known) {
            text += &word == &known.front() ? "" : ", ";
            text += word;
        }
        return error(entry.first, text);
    }
    return ok();
}

Result<std::string> YamlReader::optional_text(const YAML::Node& map, const char* key) const {
    const auto node = map[key];
    if (!node) {
        return std::string();
    }
    if (!node.IsScalar() || node.as<std::string>().empty()) {
        return error(node, std::string(key) + " takes a text");
    }
    return node.as<std::string>();
}

Result<std::string> YamlReader::text(const YAML::Node& map, const char* key) const {
    if (!map[key]) {
        return error(map, std::string("\"") + key + "\" is missing");
    }
    return optional_text(map, key);
}

Result<std::uint64_t> YamlReader::number(const YAML::Node& map,
                                         const char* key,
                                         Range range) const {
    const auto node = map[key];
    if (!node) {
        return range.otherwise;
    }
    const auto text = node.IsScalar() ? node.as<std::string>() : std::string();
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_good = code == std::errc{} && end == text.data() + text.size() &&
                         value >= range.min && value <= range.max;
    if (!is_good) {
        return error(node,
                     std::string(key) + " takes a whole number from " + std::to_string(range.min) +
                         " to " + std::to_string(range.max));
    }
    return value;
}

Result<bool> YamlReader::flag(const YAML::Node& map, const char* key) const {
    MILLRACE_TRY(const auto text, optional_text(map, key));
    if (!text.empty() && text != "true" && text != "false") {
        return error(map[key], std::string(key) + " takes true or false");
    }
    return text == "true";
}

Result<void> YamlReader::each(const YAML::Node& map,
                              const char* key,
                              const std::function<Result<void>(const YAML::Node&)>& take) const {
    const auto list = map[key];
    if (!list || list.IsNull()) {
        return ok();
    }
    if (!list.IsSequence()) {
        return error(list, std::string("\"") + key + "\" takes a list");
    }
    for (const auto& item : list) {
        MILLRACE_TRY(take(item));
    }
    return ok();
}

Result<std::string> load_text(const std::string& path, const std::string& what) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) {
        return fail(Errc::configuration, "cannot read " + what + path);
    }
    return text.str();
}

}  // namespace millrace::broker
