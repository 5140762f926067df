#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>

#include "client/cli/app/options.hpp"
#include "client/cli/views/letter_views.hpp"

namespace millrace::cli {

/// Of the last failure, as a person writes it.
struct AgeOptions {
    std::string since;
    std::string older_than;
};
struct ListOptions {
    LetterQuery query;
    AgeOptions age;
    std::string state = "open";
    std::optional<LetterGroupBy> group_by;
    std::uint64_t limit = 100;
};

/// Gives letters page by page until the visitor has enough.
void visit_letters(Session& session,
                   LetterQuery query,
                   const std::function<bool(const Letter&)>& visit);
/// Each is "2h" ago, or a time. Throws UsageError.
void set_age(LetterQuery& query, const AgeOptions& age);
[[nodiscard]] LetterQuery query_of(const ListOptions& options);
/// Whose name stands in the letter's history.
[[nodiscard]] std::string who();
/// SUBSCRIPTION and what narrows its letters down.
void add_filters(CLI::App& app, LetterQuery& query, AgeOptions& age);

/// `dlq export` and `dlq import`.
void add_letter_exchange(Registry& registry);

}  // namespace millrace::cli
