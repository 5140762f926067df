#pragma once

#include "broker/delivery/jobs/jobs.hpp"
#include "broker/delivery/letters/letter_groups.hpp"
#include "broker/delivery/letters/letters.hpp"
#include "broker/gateways/http/routing/route.hpp"

namespace millrace::broker::http {

/// What letters can be found by, as parameters of a query and as members of a body.
[[nodiscard]] std::vector<Field> letter_filter_fields();
/// **Requires** that the router has checked them.
[[nodiscard]] delivery::LetterQuery letter_query_from(const Call& call);
[[nodiscard]] delivery::LetterQuery letter_query_from_body(const Call& call);

/// With the record where the letter has one.
[[nodiscard]] Json to_json(const delivery::Letter& letter);
/// Groups of all shards as one list.
[[nodiscard]] Json groups_json(const std::vector<delivery::LetterGroups>& shards);

}  // namespace millrace::broker::http
