#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/delivery/letters/letters.hpp"
#include "broker/delivery/subscriptions.hpp"

namespace millrace::simulation {

using broker::delivery::Cause;
using broker::delivery::Delivery;
using broker::delivery::LetterState;
using broker::delivery::SessionId;

struct RecordId {
    PartitionId partition;
    Offset offset;
    friend auto operator<=>(const RecordId&,
                            const RecordId&) = default;  // NOLINT(modernize-use-nullptr)
};

/// What one queue subscription with order `key` must do, record by record.
///
/// It is told everything that happens outside; what contradicts the promises is kept as text.
/// What was asked and not answered before a power loss may have happened or not; the next thing
/// that is seen of the record decides.
class DeliveryModel {
  public:
    struct Rules {
        std::uint32_t attempts_max = 3;
        Duration ack_timeout{0};
        Duration probe_delay_min{1'000'000};
        Duration tick{10'000};            ///< ack timeouts have their effect at whole ones
        std::size_t concurrency_max = 0;  ///< 0: no limit
    };
    /// What a record says of itself.
    struct Traits {
        std::string key;
        std::string value;
        bool is_wanted = true;  ///< by the filter
        SteadyTime deliver_after{};
        std::optional<SteadyTime> expires_at;
    };
    /// The newest letter of each record that has ever been one.
    using Letters = std::map<RecordId, broker::delivery::Letter>;
    explicit DeliveryModel(Rules rules) : rules_(rules) {}

    void publish(RecordId id, const Traits& traits);
    /// The record that is delivered must be one that may be, with the right attempt.
    void deliver(SessionId session, const Delivery& delivery, SteadyTime now);

    /// An ack or nack was sent; `settled` or `went_stale` follows unless the power goes.
    void ask_ack(std::uint64_t delivery);
    /// `delay` zero: the broker chooses.
    void ask_nack(std::uint64_t delivery, Cause cause, Duration delay, SteadyTime now);
    void settled(std::uint64_t delivery);
    void went_stale(std::uint64_t delivery, SteadyTime now);
    /// Every ack timeout before `now` has had its effect.
    void pass(SteadyTime now);

    void close(SessionId session);
    /// Paused or draining: nothing may go out.
    void hold() { is_held_ = true; }
    void resume() { is_held_ = false; }
    void redrive(RecordId id);
    /// A job is about to send the letter, `edited` where its record is mended. It has an effect
    /// only where the letter is open by then.
    void ask_redrive(RecordId id, std::vector<std::byte> edited);
    void discard(RecordId id);
    void seek(PartitionId partition, Offset origin);
    /// Retention may have taken everything before `first`: what was not handed out by then is
    /// handed out or not, and what was handed out may be again.
    void retire(PartitionId partition, Offset first);
    /// The topic was deleted: its letters stay, nothing else.
    void lose(PartitionId partition);
    /// All consumers are gone with the power; `letters` is what stands after the next start.
    void restart(const Letters& letters, SteadyTime now);
    /// Nothing is under way: what was asked of letters has happened or never will.
    void check_letters(const Letters& letters);
    /// Everything must be settled.
    void check_drained(SteadyTime now);

    [[nodiscard]] std::vector<std::uint64_t> in_flight(SessionId session) const;
    [[nodiscard]] std::vector<RecordId> letters(LetterState state) const;
    [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }
    [[nodiscard]] std::uint64_t deliveries() const { return deliveries_; }

  private:
    enum class State : std::uint8_t { waiting, in_flight, asked, settled, letter, redriven, ended };
    struct Entry {
        Traits traits;
        State state = State::waiting;
        std::uint32_t attempts = 0;         ///< failures so far
        std::uint32_t attempts_before = 0;  ///< at the redrive, from where the budget counts
        std::uint32_t letter_attempts = 0;  ///< what the letter says
        bool is_letter = false;             ///< has been one, and is it again when it fails
        bool may_be_settled = false;        ///< the power went before the answer to an ack
        bool may_have_failed = false;       ///< the same for a nack
        bool may_be_gone = false;           ///< by retention
        std::uint64_t delivery = 0;
        SessionId session = 0;
        SteadyTime deadline{};
        Cause asked = Cause::none;  ///< none: ack
        SteadyTime asked_at{};      ///< of a nack, from when its delay counts
        Duration delay{0};
        SteadyTime not_before{};
        bool may_be_redriven = false;  ///< a job has asked for it
        /// Of redrives that may have had their effect, the first of them that was there in time;
        /// an empty one leaves the record as it was.
        std::vector<std::vector<std::byte>> asked_edits;
        bool may_be_edited = false;     ///< by one of them
        std::vector<std::byte> edited;  ///< what goes out instead of the record
    };

    void complain(RecordId id, const std::string& text);
    void fail(Entry& entry, Cause cause, SteadyTime now) const;
    void check_order(RecordId id, const Entry& entry, SteadyTime now);
    void check_times(RecordId id, const Entry& entry, SteadyTime now);
    void check_concurrency(RecordId id, SteadyTime now);
    void check_record(RecordId id, Entry& entry, const Delivery& delivery);
    static void take_redrive(Entry& entry);
    void recover(RecordId id, Entry& entry, const Letters& letters, SteadyTime now);
    /// False where the record is no letter.
    bool recover_letter(RecordId id, Entry& entry, const Letters& letters, SteadyTime now);
    void check_letter(RecordId id, const Entry& entry, const Letters& letters);
    /// Null when the delivery has ended.
    [[nodiscard]] Entry* find(std::uint64_t delivery);
    [[nodiscard]] static bool is_over(const Entry& entry) {
        return entry.state == State::settled || entry.state == State::ended;
    }
    /// Given up unread, unless it was read before retention passed by.
    [[nodiscard]] static bool is_gone(const Entry& entry, SteadyTime now) {
        const bool is_late = entry.state == State::in_flight && entry.deadline <= now;
        return entry.may_be_gone && (entry.state == State::waiting || is_late);
    }
    /// Not delivered in time: the broker drops it when it comes to it.
    [[nodiscard]] static bool has_expired(const Entry& entry, SteadyTime now) {
        const bool is_late = entry.state == State::in_flight && entry.deadline <= now;
        return (entry.state == State::waiting || is_late) && !entry.is_letter &&
               entry.traits.expires_at && *entry.traits.expires_at <= now;
    }

    Rules rules_;
    std::map<RecordId, Entry> entries_;
    std::map<std::uint64_t, RecordId> by_delivery_;
    SteadyTime circuit_open_until_{};
    std::map<PartitionId, std::uint32_t> epochs_;  ///< of seeks
    bool is_held_ = false;
    std::vector<std::string> violations_;
    std::uint64_t deliveries_ = 0;
};

}  // namespace millrace::simulation
