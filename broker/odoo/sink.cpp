#include "broker/odoo/sink.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "storage/base/logging.hpp"

namespace millrace::broker::odoo {
namespace {

/// Odoo reads datetimes of `load` in the user's zone; events are in UTC.
constexpr const char* keyword_arguments = R"({"context":{"tz":"UTC"}})";

}  // namespace

Sink::Sink(SinkOptions options,
           Mapping mapping,
           Transport& transport,
           MetricsRegistry& metrics,
           Settle settle)
    : options_(options),
      mapping_(std::move(mapping)),
      transport_(transport),
      metrics_(metrics),
      settle_(std::move(settle)),
      queues_(mapping_.rules().size()),
      applied_(events_counter("applied")),
      not_wanted_(events_counter("not_wanted")),
      rows_written_(metrics.counter("millrace_odoo_rows_written_total",
                                    "Rows that Odoo created or overwrote")),
      rows_refused_(metrics.counter("millrace_odoo_rows_refused_total",
                                    "Rows that Odoo refused, each try counted")),
      batch_records_(
          metrics.histogram("millrace_odoo_batch_rows", "Rows of a call that wrote records")),
      call_us_(metrics.histogram("millrace_odoo_call_us", "Time of a call, microseconds")),
      held_count_(metrics.gauge("millrace_odoo_events_held",
                                "Events delivered to the sink and not settled")) {}

Sink::~Sink() {
    *is_alive_ = false;
}

Counter& Sink::events_counter(const std::string& outcome) {
    return metrics_.counter(
        "millrace_odoo_events_total", "Events that the sink settled", {{"outcome", outcome}});
}

void Sink::accept(const std::vector<Event>& events) {
    for (const auto& event : events) {
        held_[{{event.ref.shard, event.ref.session}, event.ref.delivery_id}] = event.attempt;
        plan(event);
    }
    start_batches();
    send_settlements();
}

std::vector<DeliveryRef> Sink::held() const {
    std::vector<DeliveryRef> refs;
    refs.reserve(held_.size());
    for (const auto& [id, attempt] : held_) {
        refs.push_back(
            {.shard = id.first.first, .session = id.first.second, .delivery_id = id.second});
    }
    return refs;
}

void Sink::plan(const Event& event) {
    auto plan = mapping_.plan({.topic = event.topic,
                               .partition_index = event.partition_index,
                               .offset = event.offset,
                               .append_time_us = event.append_time_us,
                               .attempt = event.attempt,
                               .record = event.record});
    if (const auto* const fault = std::get_if<Fault>(&plan)) {
        nack(event.ref, event.attempt, *fault);
    } else if (std::holds_alternative<NotWanted>(plan)) {
        not_wanted_.add();
        ack(event.ref);
    } else {
        auto& planned = std::get<Planned>(plan);
        queues_[planned.rule].push_back(
            {.ref = event.ref, .attempt = event.attempt, .rows = std::move(planned.rows)});
    }
}

void Sink::start_batches() {
    while (calls_under_way_ < options_.connections_max && !again_.empty()) {
        auto batch = std::move(again_.front());
        again_.pop_front();
        load(std::move(batch));
    }
    // The rules take turns, so that a busy one cannot starve the others.
    for (std::size_t empty = 0; empty < queues_.size();) {
        if (calls_under_way_ >= options_.connections_max) {
            return;
        }
        last_rule_ = (last_rule_ + 1) % queues_.size();
        if (queues_[last_rule_].empty()) {
            ++empty;
        } else {
            empty = 0;
            load(take_batch(last_rule_));
        }
    }
}

Sink::Batch Sink::take_batch(std::size_t rule) {
    auto& queue = queues_[rule];
    Batch batch{.rule = rule, .step = 0, .events = {}};
    while (!queue.empty() && batch.events.size() < options_.batch_records_max) {
        const bool travels_alone = queue.front().attempt > options_.attempts_in_company_max;
        if (travels_alone && !batch.events.empty()) {
            break;
        }
        batch.events.push_back(std::move(queue.front()));
        queue.pop_front();
        if (travels_alone) {
            break;
        }
    }
    return batch;
}

void Sink::load(Batch batch) {
    const auto& step = mapping_.rules()[batch.rule].steps[batch.step];
    std::vector<const Row*> rows;
    rows.reserve(batch.events.size());
    for (const auto& event : batch.events) {
        rows.push_back(&event.rows[batch.step]);
    }
    Transport::Call call{.model = step.model,
                         .method = "load",
                         .positional = "[" + format_columns(step) + "," + format_rows(rows) + "]",
                         .keyword = keyword_arguments};
    ++calls_under_way_;
    batch_records_.observe(batch.events.size());
    auto shared = std::make_shared<Batch>(std::move(batch));
    transport_.call(
        call, [this, alive = is_alive_, shared, started = clock_.steady_now()](const Reply& reply) {
            if (!*alive) {
                return;
            }
            --calls_under_way_;
            call_us_.observe(static_cast<std::uint64_t>((clock_.steady_now() - started).count()));
            on_reply(std::move(*shared), reply);
            start_batches();
            send_settlements();
        });
}

void Sink::on_reply(Batch batch, const Reply& reply) {
    if (const auto* const fault = std::get_if<Fault>(&reply)) {
        refuse_all(std::move(batch), *fault);
        return;
    }
    const auto answer = parse_load_answer(std::get<std::string>(reply), batch.events.size());
    if (const auto* const refused = std::get_if<std::vector<RefusedRow>>(&answer)) {
        drop_rows(std::move(batch), *refused);
    } else if (const auto* const fault = std::get_if<Fault>(&answer)) {
        refuse_all(std::move(batch), *fault);
    } else {
        end_step(std::move(batch));
    }
}

void Sink::end_step(Batch batch) {
    rows_written_.add(batch.events.size());
    if (++batch.step < mapping_.rules()[batch.rule].steps.size()) {
        again_.push_back(std::move(batch));
        return;
    }
    applied_.add(batch.events.size());
    for (const auto& event : batch.events) {
        ack(event.ref);
    }
}

void Sink::drop_rows(Batch batch, const std::vector<RefusedRow>& refused) {
    rows_refused_.add(refused.size());
    Batch rest{.rule = batch.rule, .step = batch.step, .events = {}};
    auto next = refused.begin();
    for (std::size_t row = 0; row < batch.events.size(); ++row) {
        if (next != refused.end() && next->row == row) {
            nack(batch.events[row], next->fault);
            ++next;
        } else {
            rest.events.push_back(std::move(batch.events[row]));
        }
    }
    if (!rest.events.empty()) {
        again_.push_back(std::move(rest));
    }
}

void Sink::refuse_all(Batch batch, const Fault& fault) {
    if (fault.cause == Cause::mapping && batch.events.size() > 1) {
        split(std::move(batch));
        return;
    }
    for (const auto& event : batch.events) {
        nack(event, fault);
    }
}

void Sink::split(Batch batch) {
    const auto middle = batch.events.begin() + static_cast<std::ptrdiff_t>(batch.events.size() / 2);
    Batch second{.rule = batch.rule, .step = batch.step, .events = {}};
    second.events.assign(std::make_move_iterator(middle),
                         std::make_move_iterator(batch.events.end()));
    batch.events.erase(middle, batch.events.end());
    again_.push_back(std::move(batch));
    again_.push_back(std::move(second));
}

void Sink::nack(const Ready& event, const Fault& fault) {
    nack(event.ref, event.attempt, fault);
}

void Sink::nack(const DeliveryRef& ref, std::uint32_t attempt, const Fault& fault) {
    delivery::Nack nack{.delivery_id = ref.delivery_id,
                        .cause = fault.cause,
                        .delay = {},
                        .error = fault.error,
                        .response = fault.response};
    if (fault.may_pass_later && attempt < options_.business_attempts_max) {
        nack.cause = Cause::transient;
        nack.delay = options_.business_delay * attempt;
    }
    events_counter(std::string(name_of(nack.cause))).add();
    held_.erase({{ref.shard, ref.session}, ref.delivery_id});
    settlements_[{ref.shard, ref.session}].nacks.push_back(std::move(nack));
}

void Sink::ack(const DeliveryRef& ref) {
    held_.erase({{ref.shard, ref.session}, ref.delivery_id});
    settlements_[{ref.shard, ref.session}].acks.push_back(ref.delivery_id);
}

void Sink::send_settlements() {
    held_count_.set(static_cast<std::int64_t>(held_.size()));
    for (auto& [session, settlement] : std::exchange(settlements_, {})) {
        settle_(session.first, session.second, std::move(settlement));
    }
}

}  // namespace millrace::broker::odoo
