#include "broker/odoo/tools/html_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace millrace::broker::odoo {
namespace {

/// Tags within a line; all others end one.
constexpr std::array<std::string_view, 10> inline_tags{
    "a", "b", "code", "em", "font", "i", "s", "span", "strong", "u"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> entities{{{"&lt;", "<"},
                                                                                 {"&gt;", ">"},
                                                                                 {"&quot;", "\""},
                                                                                 {"&#39;", "'"},
                                                                                 {"&#34;", "\""},
                                                                                 {"&nbsp;", " "},
                                                                                 {"&amp;", "&"}}};

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Length of the tag or comment that the text begins with; 0 when it begins with none.
std::size_t tag_length(std::string_view text) {
    const bool is_tag = text.size() > 1 && text[0] == '<' &&
                        (is_letter(text[1]) || text[1] == '/' || text[1] == '!');
    if (!is_tag) {
        return 0;
    }
    const auto end = text.starts_with("<!--") ? text.find("-->") : text.find('>');
    return end == std::string_view::npos ? 0 : text.find('>', end) + 1;
}

bool ends_line(std::string_view tag) {
    tag.remove_prefix(tag.starts_with("</") ? 2 : 1);
    const auto length = std::ranges::find_if_not(tag, is_letter) - tag.begin();
    std::string name(tag.substr(0, static_cast<std::size_t>(length)));
    std::ranges::transform(
        name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return std::ranges::find(inline_tags, name) == inline_tags.end();
}

void append(std::string& words, std::string_view text) {
    for (const char c : text) {
        const bool is_blank = std::string_view(" \t\r\n").find(c) != std::string_view::npos;
        if (!is_blank) {
            words += c;
        } else if (!words.empty() && words.back() != ' ') {
            words += ' ';
        }
    }
}

}  // namespace

std::string html_text(std::string_view html) {
    std::string words;
    while (!html.empty()) {
        if (const auto length = tag_length(html); length > 0) {
            append(words, ends_line(html.substr(0, length)) ? " " : "");
            html.remove_prefix(length);
            continue;
        }
        const auto* const entity = std::ranges::find_if(
            entities, [&](const auto& one) { return html.starts_with(one.first); });
        const bool is_entity = entity != entities.end();
        append(words, is_entity ? entity->second : html.substr(0, 1));
        html.remove_prefix(is_entity ? entity->first.size() : 1);
    }
    if (words.ends_with(' ')) {
        words.pop_back();
    }
    return words;
}

}  // namespace millrace::broker::odoo
