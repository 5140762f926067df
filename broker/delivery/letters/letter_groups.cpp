#include "broker/delivery/letters/letter_groups.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "broker/delivery/letters/letter_document.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::size_t pattern_bytes_max = 200;
constexpr std::uint32_t counted_letters_max = 1'000;
constexpr std::uint32_t tried_letters_max = 64;
constexpr std::array<std::string_view, 4> state_names{"open", "redriven", "resolved", "discarded"};

/// What ids, numbers, times and paths are made of; bytes above ASCII are letters.
bool is_word(char c) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c < 0;
    return is_letter || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == ':' ||
           c == '/' || c == '@';
}

bool has_digit(std::string_view word) {
    return std::ranges::any_of(word, [](char c) { return c >= '0' && c <= '9'; });
}

/// The end of a quotation that begins at `at`, or `at` where none does: an apostrophe within a word
/// begins nothing.
std::size_t end_of_quote(std::string_view text, std::size_t at) {
    const char quote = text[at];
    const bool begins = (quote == '"' || quote == '\'') && (at == 0 || !is_word(text[at - 1]));
    const auto end = begins ? text.find(quote, at + 1) : std::string_view::npos;
    return end == std::string_view::npos ? at : end + 1;
}

std::string property_of(const Letter& letter, LetterGroupBy by) {
    switch (by) {
        case LetterGroupBy::cause:
            return std::string(name_of(letter.cause));
        case LetterGroupBy::error:
            return error_pattern(letter.error);
        case LetterGroupBy::key:
            return letter.key;
        case LetterGroupBy::topic:
            return letter.topic;
        case LetterGroupBy::state:
            break;
    }
    return std::string(state_names[static_cast<std::size_t>(letter.state)]);
}

void add(LetterGroup& group, const Letter& letter, const std::string& error) {
    if (group.count++ == 0) {
        group.first_failure_us = letter.first_failure_us;
        group.last_failure_us = letter.last_failure_us;
        group.example_id = letter.id;
        group.example = error;
    }
    group.first_failure_us = std::min(group.first_failure_us, letter.first_failure_us);
    group.last_failure_us = std::max(group.last_failure_us, letter.last_failure_us);
}

void add_letter(LetterGroups& groups, const Letter& letter, LetterGroupBy by) {
    const bool has_cause = by == LetterGroupBy::cause || by == LetterGroupBy::error;
    const LetterGroupName name{has_cause ? letter.cause : Cause::none, property_of(letter, by)};
    add(groups.groups[name], letter, letter.error);
}

void try_letter(LetterGroups& groups,
                const Letter& letter,
                const expressions::JqProgram& transform) {
    const auto mended = transform_record(transform, letter);
    if (mended) {
        ++groups.mended;
        return;
    }
    // The example's id stands beside it.
    auto text = mended.error().text;
    if (const auto name = "letter " + std::to_string(letter.id) + ": "; text.starts_with(name)) {
        text.erase(0, name.size());
    }
    add(groups.refusals[error_pattern(text)], letter, text);
}

}  // namespace

std::string error_pattern(std::string_view error) {
    std::string made;
    for (std::size_t at = 0; at < error.size() && made.size() < pattern_bytes_max;) {
        if (const auto end = end_of_quote(error, at); end > at) {
            made += '#';
            at = end;
            continue;
        }
        auto end = at;
        while (end < error.size() && is_word(error[end])) {
            ++end;
        }
        if (end == at) {
            made += error[at++];
            continue;
        }
        const auto word = error.substr(at, end - at);
        made += has_digit(word) ? "#" : std::string(word);
        at = end;
    }
    return made;
}

Result<LetterGroups> group_letters(const LetterPage& page, const LetterGrouping& grouping) {
    std::optional<expressions::JqProgram> transform;
    if (!grouping.transform.empty()) {
        auto program = expressions::JqProgram::compile(grouping.transform);
        if (!program) {
            return fail(Errc::invalid_argument, "transform: " + program.error().text);
        }
        transform = std::move(program).value();
    }
    LetterGroups groups;
    groups.examined_upto = page.examined_upto;
    groups.is_end = page.is_end;
    for (const auto& letter : page.letters) {
        add_letter(groups, letter, grouping.by);
        if (transform) {
            try_letter(groups, letter, *transform);
        }
    }
    return groups;
}

std::uint32_t group_step_letters(const LetterGrouping& grouping) {
    return grouping.transform.empty() ? counted_letters_max : tried_letters_max;
}

}  // namespace millrace::broker::delivery
