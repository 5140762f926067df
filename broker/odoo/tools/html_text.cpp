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

/// Where tags and comments may end at the latest, so that what never ends is looked for once.
struct LastEnds {
    std::string_view html;
    std::size_t tag = html.rfind('>');
    std::size_t comment = html.rfind("-->");
};

/// Length of the tag or comment that begins there; 0 when none does.
std::size_t tag_length(const LastEnds& last, std::size_t at) {
    const auto text = last.html.substr(at);
    const bool is_comment = text.starts_with("<!--");
    const auto end = is_comment ? last.comment : last.tag;
    const bool is_tag = text.size() > 1 && text[0] == '<' && end != std::string_view::npos &&
                        end > at && (is_letter(text[1]) || text[1] == '/' || text[1] == '!');
    if (!is_tag) {
        return 0;
    }
    return is_comment ? text.find("-->") + 3 : text.find('>') + 1;
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
    const LastEnds last{.html = html};
    std::string words;
    for (std::size_t at = 0; at < html.size();) {
        if (const auto length = tag_length(last, at); length > 0) {
            append(words, ends_line(html.substr(at, length)) ? " " : "");
            at += length;
            continue;
        }
        const auto rest = html.substr(at);
        const auto* const entity = std::ranges::find_if(
            entities, [&](const auto& one) { return rest.starts_with(one.first); });
        const bool is_entity = entity != entities.end();
        append(words, is_entity ? entity->second : rest.substr(0, 1));
        at += is_entity ? entity->first.size() : 1;
    }
    if (words.ends_with(' ')) {
        words.pop_back();
    }
    return words;
}

}  // namespace millrace::broker::odoo
