#include "broker/odoo/source/read_back.hpp"

#include <algorithm>
#include <utility>

namespace millrace::broker::odoo {
namespace {

constexpr std::chrono::milliseconds look_again_min{250};
constexpr std::uint32_t look_doublings_max = 5;
constexpr int gather_reads_max = 5;  ///< hints put a read off for so many times `read_after`
constexpr const char* other_model = "other";  ///< bounds the label

Call read_call(const SourceModel& model, const Json& ids) {
    Call call{.model = model.model, .method = "search_read", .ids = {}};
    // Not `read`: one record that a rule hides would refuse them all.
    call.named["domain"] = Json::array({Json::array({"id", "in", ids})});
    Json fields = model.fields;
    fields.push_back("write_date");
    call.named["fields"] = std::move(fields);
    call.context = {{"tz", "UTC"}, {"active_test", false}};
    return call;
}

/// A read changes nothing, so an answer that was lost may be asked for again; and a field that does
/// not exist is wrong for every record.
Fault fault_of_read(const SourceModel& model, Fault fault) {
    if (fault.cause == Cause::outcome_unknown) {
        fault.cause = Cause::transient;
    } else if (fault.cause == Cause::mapping || fault.cause == Cause::configuration) {
        fault.cause = Cause::configuration;
        fault.error = model.place + ": " + model.model + ": " + fault.error;
    }
    return fault;
}

Cause cause_of(const Error& error) {
    switch (error.code) {
        case Errc::unknown_topic:
            return Cause::configuration;
        case Errc::record_too_large:
        case Errc::invalid_argument:
            return Cause::mapping;
        default:
            return Cause::transient;
    }
}

}  // namespace

ReadBack::ReadBack(const SourceFile& file, ReadBackParts parts)
    : file_(file), parts_(std::move(parts)) {
    for (const auto& model : file_.models) {
        models_[model.model].model = &model;
    }
}

std::size_t ReadBack::held() const {
    std::size_t count = 0;
    for (const auto& [name, of] : models_) {
        count += of.pending.size() + of.reading.size();
    }
    return count;
}

void ReadBack::accept(std::uint64_t ticket, std::string_view text) {
    auto hint = parse_hint(text);
    if (!hint) {
        parts_.metrics.count_hint(other_model, "malformed");
        parts_.settle(ticket, delivery::Nack{.cause = Cause::mapping, .error = hint.error().text});
        return;
    }
    const auto found = models_.find(hint.value().model);
    if (found == models_.end()) {
        parts_.metrics.count_hint(other_model, "other_model");
        parts_.settle(ticket, {});
        return;
    }
    auto& of = found->second;
    Pending pending{.ticket = ticket, .hint = std::move(hint).value()};
    const auto deletion = announces_deletion(*of.model, pending.hint);
    if (!deletion) {
        refuse(of, pending, {.cause = Cause::mapping, .error = deletion.error().text});
        return;
    }
    pending.is_deletion = deletion.value();
    pending.began_at = parts_.clock.steady_now();
    pending.hinted_at = pending.began_at;
    pending.due = pending.began_at;
    if (!pending.hint.is_swept) {
        pending.due += file_.hints.read_after;
    }
    wait_for(of, std::move(pending));
}

void ReadBack::wait_for(OfModel& of, Pending pending) {
    const auto [at, is_first] = of.pending.try_emplace(pending.hint.id, pending);
    if (is_first) {
        return;
    }
    auto& held = at->second;
    // The newer one is held for both; a hint that announces an end is not given up for one that
    // does not.
    const bool keeps = held.is_deletion && !pending.is_deletion;
    auto& kept = keeps ? held : pending;
    const auto& other = keeps ? pending : held;
    finish(of, other, "merged");
    kept.hint.write_date = std::max(held.hint.write_date, pending.hint.write_date);
    kept.hint.is_swept = held.hint.is_swept && pending.hint.is_swept;
    kept.began_at = std::min(held.began_at, pending.began_at);
    kept.hinted_at = std::max(held.hinted_at, pending.hinted_at);
    // A record that is written all the time is read in spite of it.
    kept.due = std::min(std::max(held.due, pending.due),
                        kept.began_at + file_.hints.read_after * gather_reads_max);
    if (!keeps) {
        held = std::move(pending);
    }
}

void ReadBack::run() {
    const auto now = parts_.clock.steady_now();
    std::optional<SteadyTime> next;
    for (auto& [name, of] : models_) {
        if (!of.reading.empty()) {
            continue;  // its end runs this again
        }
        start_read(of, now);
        if (!of.reading.empty()) {
            continue;
        }
        for (const auto& [id, pending] : of.pending) {
            next = next ? std::min(*next, pending.due) : pending.due;
        }
    }
    parts_.metrics.held.set(static_cast<std::int64_t>(held()));
    if (next) {
        parts_.wake_at(*next);
    }
}

void ReadBack::start_read(OfModel& of, SteadyTime now) {
    Json ids = Json::array();
    for (auto at = of.pending.begin();
         at != of.pending.end() && of.reading.size() < ids_of_a_read_max;) {
        if (at->second.due > now) {
            ++at;
            continue;
        }
        ids.push_back(at->first);
        of.reading.insert(of.pending.extract(at++));
    }
    if (ids.empty()) {
        return;
    }
    parts_.transport.call(read_call(*of.model, ids),
                          [this, &of, weak = std::weak_ptr(is_alive_)](const Reply& reply) {
                              if (!weak.expired()) {
                                  take(of, reply);
                                  run();
                              }
                          });
}

void ReadBack::take(OfModel& of, const Reply& reply) {
    const auto* const text = std::get_if<std::string>(&reply);
    const auto rows = text != nullptr ? Json::parse(*text, nullptr, false) : Json();
    if (rows.is_array()) {
        take_rows(of, rows);
        return;
    }
    const auto fault =
        text != nullptr ? Fault{.cause = Cause::configuration, .error = "search_read gave no list"}
                        : fault_of_read(*of.model, std::get<Fault>(reply));
    parts_.metrics.count_fault(of.model->model, fault.cause);
    for (const auto& [id, pending] : std::exchange(of.reading, {})) {
        refuse(of, pending, fault);
    }
}

void ReadBack::take_rows(OfModel& of, const Json& rows) {
    std::map<std::int64_t, Content> contents;
    for (const auto& row : rows) {
        if (auto content = content_of(*of.model, row)) {
            const auto id = content.value().id;
            contents[id] = std::move(content).value();
        }
    }
    std::map<std::string, std::vector<Publication>> by_topic;
    PendingById published;
    for (auto& [id, pending] : std::exchange(of.reading, {})) {
        const auto content = contents.find(id);
        auto made = judge(of, pending, content == contents.end() ? nullptr : &content->second);
        if (made) {
            published.emplace(id, std::move(pending));
            by_topic[made->event.topic].push_back(std::move(*made));
        }
    }
    of.reading = std::move(published);
    publish(of, std::move(by_topic));
}

std::optional<ReadBack::Publication> ReadBack::judge(OfModel& of,
                                                     Pending& pending,
                                                     const Content* content) {
    const auto& model = *of.model;
    const auto reference = reference_of(model.model, pending.hint.id);
    const bool is_behind = content != nullptr && content->write_date < pending.hint.write_date;
    const bool is_open =
        content == nullptr ? !pending.is_deletion : is_behind || pending.is_deletion;
    if (is_open && waits_longer(pending)) {
        look_again(of, std::move(pending));
        return {};
    }
    if (content == nullptr && !pending.is_deletion) {
        finish(of, pending, "missing");
        return {};
    }
    if (is_behind) {
        finish(of, pending, "rolled_back");
        return {};
    }
    if (content != nullptr && remembered_.holds(reference, content->hash)) {
        parts_.metrics.count_event(model.model, "unchanged");
        finish(of, pending, "followed");
        return {};
    }
    auto event = Result<std::optional<SourceEvent>>(std::optional<SourceEvent>());
    if (content != nullptr) {
        event = event_of(model, *content);
    } else if (auto gone = deleted_event(model, pending.hint)) {
        event = std::optional(std::move(gone).value());
    } else {
        event = gone.error();
    }
    if (!event) {
        refuse(of, pending, {.cause = Cause::mapping, .error = event.error().text});
        return {};
    }
    if (!event.value()) {
        remembered_.keep(reference, content->hash);
        parts_.metrics.count_event(model.model, "not_wanted");
        finish(of, pending, "followed");
        return {};
    }
    return Publication{.id = pending.hint.id,
                       .hash = content != nullptr ? content->hash : std::string(),
                       .event = std::move(*event.value())};
}

bool ReadBack::waits_longer(const Pending& pending) const {
    return parts_.clock.steady_now() < pending.hinted_at + file_.hints.wait_max;
}

void ReadBack::look_again(OfModel& of, Pending pending) {
    const auto doublings = std::min(pending.looks++, look_doublings_max);
    const auto now = parts_.clock.steady_now();
    pending.began_at = now;
    pending.due = std::min<SteadyTime>(now + look_again_min * (std::int64_t{1} << doublings),
                                       pending.hinted_at + file_.hints.wait_max);
    wait_for(of, std::move(pending));
}

void ReadBack::publish(OfModel& of, std::map<std::string, std::vector<Publication>> by_topic) {
    of.topics_open = by_topic.size();
    for (auto& one : by_topic) {
        publish_to(one.first, of, std::move(one.second));
    }
}

void ReadBack::publish_to(const std::string& topic, OfModel& of, std::vector<Publication> group) {
    std::vector<SourceEvent> events;
    events.reserve(group.size());
    for (const auto& one : group) {
        events.push_back(one.event);
    }
    parts_.publish(topic,
                   std::move(events),
                   [this, &of, group = std::move(group), weak = std::weak_ptr(is_alive_)](
                       const std::vector<EventOutcome>& outcomes) {
                       if (!weak.expired()) {
                           take_outcomes(of, group, outcomes);
                       }
                   });
}

void ReadBack::take_outcomes(OfModel& of,
                             const std::vector<Publication>& published,
                             const std::vector<EventOutcome>& outcomes) {
    for (std::size_t i = 0; i < published.size(); ++i) {
        settle_published(of, published[i], outcomes.at(i));
    }
    if (--of.topics_open == 0) {
        run();
    }
}

void ReadBack::settle_published(OfModel& of, const Publication& one, const EventOutcome& outcome) {
    const auto& model = of.model->model;
    const auto pending = of.reading.extract(one.id).mapped();
    if (outcome.error) {
        parts_.metrics.count_event(model, "failed");
        refuse(of,
               pending,
               {.cause = cause_of(*outcome.error),
                .error = of.model->place + ": " + outcome.error->text});
        return;
    }
    const auto reference = reference_of(model, one.id);
    remembered_.keep(reference, one.hash);
    parts_.metrics.count_event(model,
                               outcome.is_duplicate ? "repeated"
                               : one.hash.empty()   ? "deleted"
                                                    : "published");
    if (pending.hint.is_swept && !outcome.is_duplicate) {
        parts_.metrics.count_found_by_sweep(model);
    }
    finish(of, pending, "followed");
}

void ReadBack::finish(OfModel& of, const Pending& pending, const char* outcome) {
    parts_.metrics.count_hint(of.model->model, outcome);
    parts_.settle(pending.ticket, {});
}

void ReadBack::refuse(OfModel& of, const Pending& pending, const Fault& fault) {
    parts_.metrics.count_hint(of.model->model, "refused");
    parts_.settle(
        pending.ticket,
        delivery::Nack{.cause = fault.cause, .error = fault.error, .response = fault.response});
}

}  // namespace millrace::broker::odoo
