#include "broker/config/yaml_reader.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <utility>

namespace millrace::broker {
namespace {

using Place = std::pair<int, YAML::NodeType::value>;

Result<void> refuse_repeats_below(const YamlReader& reader,
                                  const YAML::Node& node,
                                  std::set<Place>& seen) {
    // What an alias names is the node at its anchor again, and has been looked at.
    if (!(node.IsMap() || node.IsSequence()) ||
        !seen.emplace(node.Mark().pos, node.Type()).second) {
        return ok();
    }
    std::map<std::string, int> lines;
    for (const auto& entry : node) {
        if (node.IsSequence()) {
            MILLRACE_TRY(refuse_repeats_below(reader, entry, seen));
            continue;
        }
        const auto line = entry.first.Mark().line + 1;
        const auto key = entry.first.IsScalar() ? entry.first.Scalar() : std::string();
        const auto [first, is_new] = lines.emplace(key, line);
        if (!is_new && entry.first.IsScalar()) {
            return reader.error(entry.first,
                                "\"" + key + "\" stands in this map already, on line " +
                                    std::to_string(first->second) + "; take one of them out");
        }
        MILLRACE_TRY(refuse_repeats_below(reader, entry.second, seen));
    }
    return ok();
}

}  // namespace

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

Result<void> refuse_repeated_keys(const std::string& name, const YAML::Node& root) {
    std::set<Place> seen;
    return refuse_repeats_below(YamlReader(name), root, seen);
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
