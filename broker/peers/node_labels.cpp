#include "broker/peers/node_labels.hpp"

#include <algorithm>
#include <utility>

namespace millrace::broker::peers {
namespace {

bool is_label_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

Error bad_label(std::string_view label, const std::string& why) {
    return fail(
        Errc::configuration,
        "node_labels: \"" + std::string(label) + "\" " + why + "; write them as rack=a,plant=1");
}

Result<std::pair<std::string, std::string>> parse_label(std::string_view label) {
    const auto equals = label.find('=');
    if (equals == std::string_view::npos) {
        return bad_label(label, "has no value");
    }
    const auto name = label.substr(0, equals);
    const auto value = label.substr(equals + 1);
    if (!is_label_word(name) || !is_label_word(value)) {
        return bad_label(label,
                         std::string("has a ") + (is_label_word(name) ? "value" : "name") +
                             " that is not 1 to " + std::to_string(label_bytes_max) +
                             " letters, digits, \".\", \"_\" or \"-\"");
    }
    return std::pair{std::string(name), std::string(value)};
}

}  // namespace

bool is_label_word(std::string_view text) {
    return !text.empty() && text.size() <= label_bytes_max &&
           std::ranges::all_of(text, is_label_character);
}

Result<NodeLabels> parse_labels(std::string_view text) {
    NodeLabels labels;
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto part = text.substr(0, comma);
        text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
        MILLRACE_TRY(auto label, parse_label(part));
        if (!labels.insert(std::move(label)).second) {
            return bad_label(part, "has a name that is there twice");
        }
    }
    if (labels.size() > labels_max) {
        return fail(Errc::configuration,
                    "node_labels: a node has at most " + std::to_string(labels_max) + ", not " +
                        std::to_string(labels.size()));
    }
    return labels;
}

}  // namespace millrace::broker::peers
