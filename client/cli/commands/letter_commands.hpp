#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>

#include "client/cli/app/options.hpp"
#include "client/cli/views/letter_views.hpp"

namespace millrace::cli {

struct ListOptions {
    LetterQuery query;
    std::string since;
    std::string state = "open";
    std::optional<GroupBy> group_by;
    std::uint64_t limit = 100;
};

/// Gives letters page by page until the visitor has enough.
void visit_letters(Session& session,
                   LetterQuery query,
                   const std::function<bool(const Letter&)>& visit);
/// "2h" ago, or a time; 0 for nothing. Throws UsageError.
[[nodiscard]] std::int64_t since_of(const std::string& text);
[[nodiscard]] LetterQuery query_of(const ListOptions& options);
/// Whose name stands in the letter's history.
[[nodiscard]] std::string who();
/// SUBSCRIPTION and what narrows its letters down.
void add_filters(CLI::App& app, LetterQuery& query, std::string& since);

/// `dlq export` and `dlq import`.
void add_letter_exchange(Registry& registry);

}  // namespace millrace::cli
