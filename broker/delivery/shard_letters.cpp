#include "broker/delivery/shard_letters.hpp"

#include <utility>

#include "broker/delivery/letters/letter_document.hpp"
#include "broker/delivery/letters/letter_groups.hpp"
#include "broker/delivery/letters/letter_history.hpp"
#include "broker/delivery/letters/letter_sweep.hpp"
#include "broker/delivery/queue/engine.hpp"

namespace millrace::broker::delivery {

Error unknown_subscription(const std::string& name) {
    return fail(Errc::unknown_subscription, "subscription \"" + name + "\" does not exist");
}

Result<LetterPage> ShardLetters::find(const LetterQuery& query) const {
    const auto* const engine = engine_of_(query.subscription);
    if (engine == nullptr) {
        return unknown_subscription(query.subscription);
    }
    MILLRACE_TRY(const auto filter, LetterFilter::make(query));
    return letters_->find(
        engine->info().id, query, [&filter](const Letter& letter) { return filter.wants(letter); });
}

Result<LetterGroups> ShardLetters::group(const LetterQuery& query,
                                         const LetterGrouping& grouping) const {
    auto step = query;
    step.limit = group_step_letters(grouping);
    MILLRACE_TRY(const auto page, find(step));
    return group_letters(page, grouping);
}

Result<LetterPage> ShardLetters::list(const LetterQuery& query) const {
    MILLRACE_TRY(auto page, find(query));
    const auto* const engine = engine_of_(query.subscription);
    for (auto& letter : page.letters) {
        conclude_tries(letter);
        letter.record.clear();
        letter.edited.clear();
        letter.parked_behind = engine->parked_behind(letter.partition, letter.key);
    }
    return page;
}

Result<Letter> ShardLetters::show(const std::string& subscription, std::uint64_t id) const {
    const auto* const engine = engine_of_(subscription);
    if (engine == nullptr) {
        return unknown_subscription(subscription);
    }
    MILLRACE_TRY(auto letter, letters_->load(engine->info().id, id));
    conclude_tries(letter);
    letter.parked_behind = engine->parked_behind(letter.partition, letter.key);
    return letter;
}

void ShardLetters::change(LetterSelection selection,
                          LetterEdit edit,
                          std::function<void(Result<std::uint64_t>)> done) {
    const auto* const engine = engine_of_(selection.query.subscription);
    if (engine == nullptr) {
        done(unknown_subscription(selection.query.subscription));
        return;
    }
    std::make_shared<LetterSweep>(shard_,
                                  *letters_,
                                  engine->info().id,
                                  std::move(selection),
                                  std::move(edit),
                                  std::move(done))
        ->run();
}

}  // namespace millrace::broker::delivery
