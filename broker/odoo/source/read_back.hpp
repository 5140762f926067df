#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/odoo/source/content.hpp"
#include "broker/odoo/source/remembered.hpp"
#include "broker/odoo/source/source_metrics.hpp"
#include "broker/odoo/transport/transport.hpp"
#include "storage/base/clock.hpp"

namespace millrace::broker::odoo {

/// What became of one event that was to be published.
struct EventOutcome {
    std::optional<Error> error;
    bool is_duplicate = false;
};
using PublishDone = std::function<void(std::vector<EventOutcome>)>;
/// Publishes to one topic; an outcome without error is durable. Headers beside the event id are
/// none.
using PublishEvents = std::function<void(
    const std::string& topic, std::vector<SourceEvent> events, PublishDone done)>;

/// What the read-back works with; all outlive it.
struct ReadBackParts {
    Transport& transport;
    const Clock& clock;
    SourceMetrics& metrics;
    PublishEvents publish;
    /// Settles a hint: without a nack it is done.
    std::function<void(std::uint64_t ticket, std::optional<delivery::Nack> nack)> settle;
    /// Asks for a call of `run` at that time; a later request replaces an earlier one.
    std::function<void(SteadyTime)> wake_at;
};

/// Follows hints: reads the records back, and publishes what they have become.
///
/// Place:    between the subscription on the hints topic and the topics of events.
/// Promise:  a hint is settled once: when what it led to is durable, when a later hint for the same
///           record is held in its place, when nothing has come of it in `wait_max`, or with the
///           cause of a failure. Of one model one read is under way, of all ids that are due, so
///           events of a record stand in the order in which it was read.
/// Threads:  the control thread.
class ReadBack {
  public:
    ReadBack(const SourceFile& file, ReadBackParts parts);
    ReadBack(const ReadBack&) = delete;
    ReadBack& operator=(const ReadBack&) = delete;
    ReadBack(ReadBack&&) = delete;
    ReadBack& operator=(ReadBack&&) = delete;
    ~ReadBack() = default;

    void accept(std::uint64_t ticket, std::string_view text);
    /// Reads what is due.
    void run();
    [[nodiscard]] std::size_t held() const;

    static constexpr std::size_t ids_of_a_read_max = 200;
    static constexpr std::size_t remembered_records_max = 100'000;

  private:
    struct Pending {
        std::uint64_t ticket = 0;
        Hint hint;
        bool is_deletion = false;
        SteadyTime began_at{};   ///< first of the hints that stand here together
        SteadyTime hinted_at{};  ///< last of them
        SteadyTime due{};
        std::uint32_t looks = 0;
    };
    using PendingById = std::map<std::int64_t, Pending>;
    struct OfModel {
        const SourceModel* model = nullptr;
        PendingById pending;
        PendingById reading;  ///< until their events are durable
        std::size_t topics_open = 0;
    };
    struct Publication {
        std::int64_t id = 0;
        std::string hash;  ///< empty: the record is gone
        SourceEvent event;
    };

    void wait_for(OfModel& of, Pending pending);
    void start_read(OfModel& of, SteadyTime now);
    void take(OfModel& of, const Reply& reply);
    void take_rows(OfModel& of, const Json& rows);
    /// What is to be published of a record, where that is known now.
    std::optional<Publication> judge(OfModel& of, Pending& pending, const Content* content);
    void look_again(OfModel& of, Pending pending);
    [[nodiscard]] bool waits_longer(const Pending& pending) const;
    void publish(OfModel& of, std::map<std::string, std::vector<Publication>> by_topic);
    void publish_to(const std::string& topic, OfModel& of, std::vector<Publication> group);
    void take_outcomes(OfModel& of,
                       const std::vector<Publication>& published,
                       const std::vector<EventOutcome>& outcomes);
    void settle_published(OfModel& of, const Publication& one, const EventOutcome& outcome);
    void finish(OfModel& of, const Pending& pending, const char* outcome);
    void refuse(OfModel& of, const Pending& pending, const Fault& fault);

    const SourceFile& file_;
    ReadBackParts parts_;
    std::map<std::string, OfModel, std::less<>> models_;
    Remembered remembered_{remembered_records_max};
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::broker::odoo
