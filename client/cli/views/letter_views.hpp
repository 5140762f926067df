#pragma once

#include <vector>

#include "client/cli/app/session.hpp"
#include "client/cli/text/enum_names.hpp"
#include "millrace/admin.hpp"

namespace millrace::cli {

inline constexpr Names<LetterGroupBy, 5> group_by_names{{{"cause", LetterGroupBy::cause},
                                                         {"error", LetterGroupBy::error},
                                                         {"key", LetterGroupBy::key},
                                                         {"topic", LetterGroupBy::topic},
                                                         {"state", LetterGroupBy::state}}};

/// How many letters share a property. By error the cause stands beside it.
void print_letter_groups(Session& session,
                         const std::vector<LetterGroup>& groups,
                         LetterGroupBy by);

/// What a transform would make of letters.
void print_letter_trial(Session& session, const LetterTrial& trial);

void print_letters(Session& session, const std::vector<Letter>& letters);
void print_letter(Session& session, const Letter& letter);

}  // namespace millrace::cli
