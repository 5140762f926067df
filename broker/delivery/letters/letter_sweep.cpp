#include "broker/delivery/letters/letter_sweep.hpp"

#include <algorithm>
#include <utility>

#include "broker/delivery/letters/letter_limits.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::uint32_t page_letters = 256;

std::string_view name_of(LetterEdit::Kind kind) {
    switch (kind) {
        case LetterEdit::Kind::redrive:
            return "redriven";
        case LetterEdit::Kind::discard:
            return "discarded";
        case LetterEdit::Kind::edit:
            break;
    }
    return "edited";
}

LetterState state_after(LetterEdit::Kind kind) {
    switch (kind) {
        case LetterEdit::Kind::redrive:
            return LetterState::redriven;
        case LetterEdit::Kind::discard:
            return LetterState::discarded;
        case LetterEdit::Kind::edit:
            break;
    }
    return LetterState::open;
}

}  // namespace

Result<void> check_letter_ids(std::size_t count) {
    if (count > letter_ids_max) {
        return fail(Errc::invalid_argument,
                    "a change names " + std::to_string(count) +
                        " letters, limit letter_ids_max is " + std::to_string(letter_ids_max) +
                        ": select them by a query");
    }
    return ok();
}

LetterSweep::LetterSweep(Shard& shard,
                         const LetterStore& letters,
                         std::uint32_t subscription,
                         LetterSelection selection,
                         LetterEdit edit,
                         Done done)
    : shard_(shard),
      letters_(letters),
      subscription_(subscription),
      selection_(std::move(selection)),
      edit_(std::move(edit)),
      done_(std::move(done)) {}

void LetterSweep::run() {
    std::ranges::sort(selection_.ids);
    selection_.ids.erase(std::unique(selection_.ids.begin(), selection_.ids.end()),
                         selection_.ids.end());
    const auto said = selection_.by.size() + selection_.reason.size() + edit_.transform.size();
    if (said > letter_action_bytes_max) {
        return end(fail(Errc::invalid_argument,
                        "by whom, why and the transform have " + std::to_string(said) +
                            " bytes, limit letter_action_bytes_max is " +
                            std::to_string(letter_action_bytes_max)));
    }
    if (const auto fits = check_letter_ids(selection_.ids.size()); !fits) {
        return end(fits.error());
    }
    auto filter = LetterFilter::make(selection_.query);
    if (!filter) {
        return end(filter.error());
    }
    filter_ = std::move(filter).value();
    if (!edit_.transform.empty()) {
        auto program = expressions::JqProgram::compile(edit_.transform);
        if (!program) {
            return end(fail(Errc::invalid_argument, "transform: " + program.error().text));
        }
        transform_ = std::move(program).value();
    }
    next_page();
}

Result<LetterPage> LetterSweep::load_page() const {
    if (selection_.ids.empty()) {
        auto query = selection_.query;
        query.state = LetterState::open;
        query.after_id = after_id_;
        query.limit = static_cast<std::uint32_t>(
            std::min<std::uint64_t>(page_letters, selection_.limit - changed_));
        return letters_.find(
            subscription_, query, [this](const Letter& letter) { return filter_->wants(letter); });
    }
    return load_named();
}

LetterPage LetterSweep::load_named() const {
    LetterPage page;
    auto at = std::ranges::upper_bound(selection_.ids, after_id_);
    const auto wanted = std::min<std::uint64_t>(page_letters, selection_.limit - changed_);
    for (std::uint32_t looked = 0;
         looked < page_letters && at != selection_.ids.end() && page.letters.size() < wanted;
         ++looked, ++at) {
        page.examined_upto = *at;
        auto letter = letters_.load(subscription_, *at);
        if (letter && letter.value().state == LetterState::open) {
            page.letters.push_back(std::move(letter).value());
        }
    }
    page.is_end = at == selection_.ids.end();
    return page;
}

void LetterSweep::next_page() {
    const auto page = load_page();
    if (!page) {
        return end(page.error());
    }
    after_id_ = page.value().examined_upto;
    is_last_page_ = page.value().is_end;
    outstanding_ = 1;  // this call
    for (const auto& letter : page.value().letters) {
        if (const auto proposed = propose(letter); !proposed) {
            error_ = proposed.error();
            break;
        }
    }
    // In a turn of its own: pages without a match must not pile up on the stack, nor hold up
    // others.
    shard_.runtime().post([self = shared_from_this()] { self->end_one(ok()); });
}

Result<std::vector<std::byte>> LetterSweep::edited(const Letter& letter) const {
    if (const auto mended = edit_.records.find(letter.id); mended != edit_.records.end()) {
        return mended->second;
    }
    if (transform_) {
        return transform_record(*transform_, letter);
    }
    if (edit_.value) {
        return replace_value(letter, *edit_.value);
    }
    return std::vector<std::byte>();
}

Result<void> LetterSweep::propose(const Letter& letter) {
    MILLRACE_TRY(auto record, edited(letter));
    auto text = selection_.reason;
    if (transform_ || edit_.value) {
        text += (text.empty() ? "" : "; ") + (transform_ ? edit_.transform : "another value");
    }
    const LetterChangeCommand command{.subscription = subscription_,
                                      .id = letter.id,
                                      .state = state_after(edit_.kind),
                                      .cause = Cause::none,
                                      .error = {},
                                      .response = {},
                                      .action = {.time_us = shard_.runtime().clock().unix_now(),
                                                 .action = std::string(name_of(edit_.kind)),
                                                 .by = selection_.by,
                                                 .text = std::move(text)},
                                      .edited = std::move(record)};
    ++outstanding_;
    ++changed_;
    shard_.propose(
        format_command(command),
        [self = shared_from_this()](const Result<void>& applied) { self->end_one(applied); });
    return ok();
}

void LetterSweep::end_one(const Result<void>& applied) {
    if (!applied) {
        error_ = applied.error();
    }
    if (--outstanding_ > 0) {
        return;
    }
    if (error_) {
        end(*error_);
    } else if (is_last_page_ || changed_ >= selection_.limit) {
        end(changed_);
    } else {
        next_page();
    }
}

void LetterSweep::end(Result<std::uint64_t> outcome) {
    if (const auto done = std::exchange(done_, nullptr)) {
        done(std::move(outcome));
    }
}

}  // namespace millrace::broker::delivery
