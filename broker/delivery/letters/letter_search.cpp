#include <algorithm>
#include <numeric>

#include "broker/delivery/letters/letter_row.hpp"
#include "broker/delivery/letters/letter_store.hpp"

// How letters are found, without looking at more than an answer may take.

namespace millrace::broker::delivery {
namespace {

LetterBrief parse_brief(std::string_view key, std::string_view value, LetterState state) {
    LetterBrief brief{.state = state};
    auto digits = key.substr(key.size() - std::min(key.size(), letter_id_digits));
    brief.id = take_row_number<std::uint64_t>(digits);
    brief.partition = PartitionId{take_row_number<std::uint32_t>(value)};
    brief.offset = Offset{take_row_number<std::uint64_t>(value)};
    brief.epoch = take_row_number<std::uint32_t>(value);
    brief.key = value;
    return brief;
}

}  // namespace

Result<void> LetterStore::visit_active(std::uint32_t subscription,
                                       const std::function<bool(const LetterBrief&)>& visit) const {
    for (const auto state : {LetterState::open, LetterState::redriven}) {
        const auto prefix = std::string(letter_index_prefix) + std::to_string(subscription) + "/" +
                            std::to_string(static_cast<int>(state)) + "/";
        bool wants_more = true;
        MILLRACE_TRY(
            store_.visit_state(prefix, "", [&](std::string_view key, std::string_view value) {
                wants_more = visit(parse_brief(key, value, state));
                return wants_more;
            }));
        if (!wants_more) {
            break;
        }
    }
    return ok();
}

Result<std::vector<std::uint64_t>> LetterStore::candidates(std::uint32_t subscription,
                                                           const LetterQuery& query) const {
    std::vector<std::uint64_t> ids;
    for (std::size_t number = 0; number < cause_count; ++number) {
        const auto cause = static_cast<Cause>(number);
        if (query.cause.value_or(cause) != cause) {
            continue;
        }
        const auto prefix = letter_index(subscription, *query.state, cause);
        std::size_t count = 0;
        MILLRACE_TRY(store_.visit_state(prefix,
                                        prefix + letter_id_text(query.after_id + 1),
                                        [&](std::string_view key, std::string_view) {
                                            auto digits = key.substr(key.size() - letter_id_digits);
                                            ids.push_back(take_row_number<std::uint64_t>(digits));
                                            return ++count < examined_max;
                                        }));
    }
    std::ranges::sort(ids);
    ids.resize(std::min<std::size_t>(ids.size(), examined_max));
    return ids;
}

Result<bool> LetterStore::visit_indexed(std::uint32_t subscription,
                                        const LetterQuery& query,
                                        const Visit& visit) const {
    MILLRACE_TRY(const auto ids, candidates(subscription, query));
    for (const auto id : ids) {
        MILLRACE_TRY(auto letter, load(subscription, id));
        if (!visit(std::move(letter))) {
            return false;
        }
    }
    return ids.size() < examined_max;
}

Result<bool> LetterStore::visit_rows(std::uint32_t subscription,
                                     const LetterQuery& query,
                                     const Visit& visit) const {
    const auto prefix = letter_prefix(subscription);
    Result<void> parsed = ok();
    std::size_t left = examined_max;
    MILLRACE_TRY(store_.visit_state(prefix,
                                    prefix + letter_id_text(query.after_id + 1),
                                    [&](std::string_view, std::string_view row) {
                                        auto letter = parse_letter(row);
                                        if (!letter) {
                                            parsed = letter.error();
                                            return false;
                                        }
                                        const bool goes_on = visit(std::move(letter).value());
                                        left = goes_on ? left - 1 : 0;
                                        return left > 0;
                                    }));
    MILLRACE_TRY(parsed);
    return left > 0;
}

bool LetterStore::wants_most(std::uint32_t subscription, const LetterQuery& query) const {
    std::uint64_t all = 0;
    std::uint64_t wanted = 0;
    for (std::size_t number = 0; number <= static_cast<std::size_t>(last_letter_state); ++number) {
        const auto state = static_cast<LetterState>(number);
        const auto by_cause = counts(subscription, state);
        const auto of_state = std::accumulate(by_cause.begin(), by_cause.end(), std::uint64_t{0});
        all += of_state;
        if (query.state.value_or(state) == state) {
            wanted += query.cause ? by_cause[static_cast<std::size_t>(*query.cause)] : of_state;
        }
    }
    return wanted * 2 >= all;
}

Result<LetterPage> LetterStore::find(std::uint32_t subscription,
                                     const LetterQuery& query,
                                     const std::function<bool(const Letter&)>& is_wanted) const {
    LetterPage page;
    bool is_full = false;
    const auto visit = [&](Letter letter) {
        is_full = page.letters.size() == query.limit;
        if (is_full) {
            return false;
        }
        page.examined_upto = letter.id;
        const bool is_asked_for = query.state.value_or(letter.state) == letter.state &&
                                  query.cause.value_or(letter.cause) == letter.cause;
        if (is_asked_for && is_wanted(letter)) {
            page.letters.push_back(std::move(letter));
        }
        return true;
    };
    const bool takes_rows = !query.state || wants_most(subscription, query);
    MILLRACE_TRY(const bool is_end,
                 takes_rows ? visit_rows(subscription, query, visit)
                            : visit_indexed(subscription, query, visit));
    page.is_end = is_end && !is_full;
    return page;
}

}  // namespace millrace::broker::delivery
