#include "client/wire/topic_pattern.hpp"

#include <algorithm>
#include <utility>

namespace millrace::wire {
namespace {

constexpr std::size_t name_bytes_max = 249;

bool is_word(std::string_view word) {
    return !word.empty() && std::ranges::all_of(word, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

/// The word before the first dot and what follows it; a trailing dot leaves an empty last word.
std::pair<std::string_view, std::string_view> split_word(std::string_view text, bool& is_last) {
    const auto dot = text.find('.');
    is_last = dot == std::string_view::npos;
    return {text.substr(0, dot), is_last ? std::string_view{} : text.substr(dot + 1)};
}

template <class Accept>
bool all_words(std::string_view text, Accept accept) {
    if (text.empty() || text.size() > name_bytes_max) {
        return false;
    }
    for (bool is_last = false; !is_last;) {
        const auto [word, rest] = split_word(text, is_last);
        if (!accept(word, is_last)) {
            return false;
        }
        text = rest;
    }
    return true;
}

}  // namespace

bool is_topic_name(std::string_view name) {
    return all_words(name, [](std::string_view word, bool) { return is_word(word); });
}

bool is_topic_pattern(std::string_view pattern) {
    return all_words(pattern, [](std::string_view word, bool is_last) {
        return word == "*" || (word == ">" && is_last) || is_word(word);
    });
}

bool is_match(std::string_view pattern, std::string_view topic) {
    for (bool pattern_ends = false, topic_ends = false;;) {
        const auto [expected, pattern_rest] = split_word(pattern, pattern_ends);
        if (expected == ">") {
            return true;
        }
        const auto [word, topic_rest] = split_word(topic, topic_ends);
        if (expected != "*" && expected != word) {
            return false;
        }
        if (pattern_ends || topic_ends) {
            return pattern_ends && topic_ends;
        }
        pattern = pattern_rest;
        topic = topic_rest;
    }
}

}  // namespace millrace::wire
