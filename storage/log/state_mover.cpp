#include "storage/log/state_mover.hpp"

#include <chrono>
#include <utility>

#include "storage/base/logging.hpp"

namespace millrace::storage {
namespace {

constexpr std::chrono::seconds pause_after_failure{5};
constexpr std::size_t frames_a_tick = 8;
constexpr std::size_t frames_in_a_commit = 4;

}  // namespace

StateMover::StateMover(const StoreOptions& options,
                       const Clock& clock,
                       const CommitWriter& writer,
                       Append append,
                       MetricsRegistry& metrics)
    : options_(options),
      clock_(clock),
      writer_(writer),
      append_(std::move(append)),
      dumps_total_(metrics.counter("millrace_storage_state_dumps_total",
                                   "Copies of the whole state in the log, made so that old "
                                   "segments could be recycled.",
                                   shard_label(options.shard))),
      failures_total_(metrics.counter("millrace_storage_state_dump_failures_total",
                                      "Copies of the state that failed; old segments stay until "
                                      "one succeeds.",
                                      shard_label(options.shard))) {}

void StateMover::note_waiting(SegmentSequence segment) {
    // A dump fills segments that nothing else keeps alive: copying it again to free them would
    // never end.
    is_wanted_ |= !dump_ && !is_of_last_dump(segment);
}

void StateMover::step(const KeyValueStore& rows,
                      SegmentSequence sealed_upto,
                      CommitSequence durable) {
    if (!dump_ && std::exchange(is_wanted_, false) && clock_.steady_now() >= again_at_) {
        dump_.emplace(
            Dump{.frames = StateDumpWriter(rows, options_.commit_bytes_max / frames_in_a_commit),
                 .covers = sealed_upto,
                 .first = {},
                 .last = {},
                 .last_commit = {}});
    }
    if (!dump_) {
        return;
    }
    if (const auto fed = feed(); !fed) {
        give_up(fed.error());
    } else if (dump_->frames.is_at_end() && durable >= dump_->last_commit) {
        end();
    }
}

Result<void> StateMover::feed() {
    for (std::size_t i = 0; i < frames_a_tick && !dump_->frames.is_at_end(); ++i) {
        if (writer_.backlog_bytes() > options_.commit_backlog_bytes_max / 2) {
            break;  // that of others comes first; goes on with the next tick
        }
        MILLRACE_TRY(const auto frame, dump_->frames.next());
        MILLRACE_TRY(const auto place, append_(frame));
        dump_->first = dump_->first.value == 0 ? place.segment : dump_->first;
        dump_->last = place.segment;
        dump_->last_commit = place.commit;
    }
    return ok();
}

void StateMover::end() {
    moved_upto_ = dump_->covers;
    own_first_ = dump_->first;
    own_last_ = dump_->last;
    dump_.reset();
    dumps_total_.add();
    if (std::exchange(failure_, std::nullopt)) {
        log_info("storage", options_.directory + ": the state was copied forward again");
    }
}

void StateMover::give_up(const Error& error) {
    dump_.reset();
    failures_total_.add();
    again_at_ = clock_.steady_now() + pause_after_failure;
    if (!failure_ || failure_->text != error.text) {
        log_error("storage",
                  options_.directory +
                      ": the state was not copied forward, old segments stay, it is tried again: " +
                      error.text);
    }
    failure_ = error;
}

}  // namespace millrace::storage
