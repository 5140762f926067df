#include "broker/odoo/sink/sink.hpp"

#include <algorithm>
#include <utility>

#include "broker/odoo/plan/calls.hpp"

namespace millrace::broker::odoo {
namespace {

constexpr Duration id_kept{std::chrono::hours(1)};

std::string id_key(const std::string& model, const std::string& external_id) {
    return lookup_key(model, "id of " + external_id);
}

/// The other way round: what a record of that id is called.
std::string name_key(const std::string& model, const Json& id) {
    return lookup_key(model, "name of " + id.dump());
}

/// What delivery knows a rule as.
std::string part_of(const Rule& rule) {
    return "mapping " + rule.place;
}

}  // namespace

std::string Sink::found_key(const Step& step, const Work& work) {
    const Json asked{step.external_id ? "external id" : "domain",
                     work.group,
                     step.read,
                     step.cache.count(),
                     step.cache_missing.count(),
                     step.may_be_missing};
    return lookup_key(step.model, asked.dump());
}

Sink::Sink(SinkOptions options, Mapping mapping, SinkParts parts)
    : options_(options),
      mapping_(std::move(mapping)),
      parts_(std::move(parts)),
      stations_(options.stations, mapping_),
      concurrency_(options.connections_max),
      cache_(options.lookup_entries_max, parts_.clock),
      metrics_(parts_.metrics),
      ledger_action_id_(options.ledger_action_id) {}

Sink::~Sink() {
    *is_alive_ = false;
}

void Sink::accept(const std::vector<FeedEvent>& events) {
    for (const auto& event : events) {
        held_.insert(event.ref);
        begin(event);
    }
    run();
}

void Sink::wake() {
    run();
}

std::vector<FeedRef> Sink::held() const {
    return {held_.begin(), held_.end()};
}

void Sink::begin(const FeedEvent& event) {
    const auto refuse = [&](const std::string& why) {
        nack(event.ref, event.tries, {.cause = Cause::mapping, .error = why});
    };
    const auto* const rule = mapping_.rule_of(event.topic);
    if (rule == nullptr) {
        return refuse("no mapping for topic \"" + event.topic + "\"");
    }
    auto scope = Scope::of({.topic = event.topic,
                            .topic_created_us = event.topic_created_us,
                            .partition_index = event.partition_index,
                            .offset = event.offset,
                            .append_time_us = event.append_time_us,
                            .attempt = event.attempt,
                            .record = event.record});
    if (!scope) {
        return refuse("the event cannot be read: " + scope.error().text);
    }
    if (rule->when) {
        const auto wanted = rule->when->evaluate(scope.value().text());
        if (!wanted) {
            return refuse(rule->when->fault(wanted.error().text).error);
        }
        if (wanted.value().is_null() || wanted.value() == false) {
            return ack(event.ref, "not_wanted");
        }
    }
    if (const auto how = gates_.ask(*rule, event.ref, parts_.clock.steady_now())) {
        return put_off(*rule, event.ref, *how);
    }
    const auto id = event_id_of(*rule, scope.value());
    auto lanes = lanes_of(*rule, scope.value());
    if (!id || !lanes) {
        gates_.on_ended(*rule, event.ref, parts_.clock.steady_now());
        return refuse(!id ? id.error().text : lanes.error().text);
    }
    enter(std::make_unique<Flow>(Flow{.ref = event.ref,
                                      .tries = event.tries,
                                      .rule = rule,
                                      .step = 0,
                                      .scope = std::move(scope).value(),
                                      .event_id = id.value(),
                                      .lanes = std::move(lanes).value(),
                                      .lookups = {},
                                      .work = {},
                                      .entry = {}}));
}

void Sink::enter(FlowPtr flow) {
    while (flow->step < flow->rule->steps.size()) {
        if (!pass(flow)) {
            return;
        }
    }
    end_applied(*flow);
}

bool Sink::pass(FlowPtr& flow) {
    const auto& step = flow->current();
    if (step.proof == Proof::ledger) {
        return pass_block(flow);
    }
    auto evaluated = evaluate(step, flow->scope);
    if (const auto* const fault = std::get_if<Fault>(&evaluated)) {
        nack(*flow, *fault);
        return false;
    }
    if (std::holds_alternative<Skipped>(evaluated)) {
        flow->scope.add_step(step.name, nullptr);
        ++flow->step;
        return true;
    }
    flow->work = std::get<Work>(std::move(evaluated));
    if (step.action == Action::lookup) {
        if (const auto known = cache_.find(found_key(step, flow->work))) {
            metrics_.lookups_hit.add();
            return take_lookup(flow, *known);
        }
        metrics_.lookups_missed.add();
    }
    if (step.action == Action::upsert) {
        if (const auto known = cache_.find(id_key(step.model, flow->work.external_id))) {
            flow->work.records.push_back(record_key(step.model, *known));
        }
    }
    add_name(step.model, flow->work.id, flow->work.records);
    stations_.add(std::move(flow), parts_.clock.steady_now());
    return false;
}

bool Sink::pass_block(FlowPtr& flow) {
    const auto& steps = flow->rule->steps;
    auto evaluated =
        evaluate_block(steps,
                       {.event_id = flow->event_id, .step = flow->step, .feed = flow->rule->feed},
                       flow->scope);
    if (const auto* const fault = std::get_if<Fault>(&evaluated)) {
        nack(*flow, *fault);
        return false;
    }
    if (std::holds_alternative<Skipped>(evaluated)) {
        for (auto left = block_length(steps, flow->step); left > 0; --left) {
            flow->scope.add_step(flow->current().name, nullptr);
            ++flow->step;
        }
        return true;
    }
    flow->entry = std::get<LedgerEntry>(std::move(evaluated));
    for (const auto& step : flow->entry.json.at("steps")) {
        add_name(
            step.at("model").get<std::string>(), step.value("id", Json()), flow->entry.records);
    }
    stations_.add(std::move(flow), parts_.clock.steady_now());
    return false;
}

bool Sink::take_lookup(FlowPtr& flow, const Json& found) {
    const auto& step = flow->current();
    if (found.is_null() && !step.may_be_missing) {
        nack(*flow,
             {.cause = Cause::mapping,
              .error = step.place + ": no " + step.model + " is found by " +
                       (step.external_id ? flow->work.external_id : flow->work.domain.dump())});
        return false;
    }
    if (!found.is_null()) {
        flow->lookups.push_back({.key = found_key(step, flow->work), .found = found});
    }
    flow->scope.add_step(step.name, found);
    ++flow->step;
    return true;
}

void Sink::advance(FlowPtr flow, Json result) {
    flow->scope.add_step(flow->current().name, std::move(result));
    ++flow->step;
    enter(std::move(flow));
}

void Sink::run() {
    while (calls_under_way_ < concurrency_.limit()) {
        const auto batch = stations_.take(parts_.clock.steady_now());
        if (!batch) {
            break;
        }
        start(batch);
    }
    if (calls_under_way_ < concurrency_.limit()) {
        if (const auto next = stations_.next_ready(parts_.clock.steady_now())) {
            parts_.wake_at(*next);
        }
    }
    send_settlements();
}

void Sink::send(const BatchPtr& batch, const Call& call, Next next) {
    ++calls_under_way_;
    batch->began = parts_.clock.steady_now();
    parts_.transport.call(
        call, [this, alive = is_alive_, shared = batch, call, next](Reply reply) mutable {
            if (!*alive) {
                return;
            }
            --calls_under_way_;
            // The locks end with the last of a batch, before others are sent.
            take_reply(std::exchange(shared, nullptr), call, next, std::move(reply));
            run();
        });
}

void Sink::take_reply(const BatchPtr& batch, const Call& call, Next next, Reply reply) {
    const auto began = batch->began;
    const auto ended = parts_.clock.steady_now();
    const auto rows = batch->flows.size();
    metrics_.count_call(call, rows, static_cast<std::uint64_t>((ended - began).count()));
    if (auto* const fault = std::get_if<Fault>(&reply)) {
        note_trouble(*batch, *fault);
        if (fault->cause == Cause::outcome_unknown && only_reads(call)) {
            fault->cause = fault->cause_of_read;
        }
        refuse_all(batch, *fault);
        return;
    }
    concurrency_.on_answer(
        {.kind = batch->station->kind + call.method, .rows = rows, .began = began, .ended = ended});
    (this->*next)(batch, std::get<std::string>(reply));
}

void Sink::note_trouble(const Batch& batch, const Fault& fault) {
    if (fault.cause == Cause::transient || fault.cause == Cause::outcome_unknown) {
        concurrency_.on_conflict(batch.began, parts_.clock.steady_now());
    }
}

void Sink::remember_ids(const BatchPtr& batch, const Json& ids) {
    for (std::size_t at = 0; at < batch->flows.size(); ++at) {
        const auto& flow = *batch->flows[at];
        remember_id(flow.current().model, flow.work.external_id, ids[at]);
    }
}

void Sink::remember_id(const std::string& model, const std::string& external_id, const Json& id) {
    cache_.store(id_key(model, external_id), id, id_kept);
    cache_.store(name_key(model, id), external_id, id_kept);
}

void Sink::add_name(const std::string& model, const Json& id, std::vector<std::string>& records) {
    if (!id.is_number_integer()) {
        return;
    }
    if (const auto known = cache_.find(name_key(model, id))) {
        records.push_back(record_key(model, known->get<std::string>()));
    }
}

void Sink::nack(const Flow& flow, const Fault& fault) {
    metrics_.count_fault(flow.current().model, fault.cause);
    const auto now = parts_.clock.steady_now();
    if (fault.is_access_refused) {
        const auto why = flow.current().model + ": " + fault.error;
        put_off(*flow.rule, flow.ref, gates_.stop(*flow.rule, flow.ref, now, why));
        return;
    }
    gates_.on_ended(*flow.rule, flow.ref, now);
    nack(flow.ref, flow.tries, fault);
}

void Sink::put_off(const Rule& rule, const FeedRef& ref, const RuleGates::PutOff& how) {
    metrics_.count_event("put_off");
    metrics_.mapping_stopped(rule.place).set(1);
    held_.erase(ref);
    auto& settlement = settlements_[{ref.shard, ref.session}];
    auto part = part_of(rule);
    // What one settlement resumes and stops is resumed last, and this came later.
    std::erase(settlement.resumed, part);
    settlement.nacks.push_back({.delivery_id = ref.delivery_id,
                                .cause = Cause::authorization,
                                .delay = how.delay,
                                .error = how.reason,
                                .response = {},
                                .part = std::move(part)});
}

void Sink::end_applied(const Flow& flow) {
    for (const auto& session : gates_.on_applied(*flow.rule, flow.ref)) {
        settlements_[session].resumed.push_back(part_of(*flow.rule));
        metrics_.mapping_stopped(flow.rule->place).set(0);
    }
    ack(flow.ref, "applied");
}

void Sink::nack(const FeedRef& ref, std::uint32_t tries, const Fault& fault) {
    delivery::Nack nack{.delivery_id = ref.delivery_id,
                        .cause = fault.cause,
                        .delay = {},
                        .error = fault.error,
                        .response = fault.response};
    if (fault.may_pass_later && tries < options_.business_attempts_max) {
        nack.cause = Cause::transient;
        nack.delay = options_.business_delay * tries;
    }
    metrics_.count_event(std::string(name_of(nack.cause)));
    held_.erase(ref);
    settlements_[{ref.shard, ref.session}].nacks.push_back(std::move(nack));
}

void Sink::ack(const FeedRef& ref, const char* outcome) {
    metrics_.count_event(outcome);
    held_.erase(ref);
    settlements_[{ref.shard, ref.session}].acks.push_back(ref.delivery_id);
}

void Sink::send_settlements() {
    metrics_.held.set(static_cast<std::int64_t>(held_.size()));
    metrics_.waiting.set(static_cast<std::int64_t>(stations_.waiting()));
    metrics_.connections_limit.set(static_cast<std::int64_t>(concurrency_.limit()));
    metrics_.lookup_entries.set(static_cast<std::int64_t>(cache_.size()));
    for (auto& [session, settlement] : std::exchange(settlements_, {})) {
        parts_.settle(session.first, session.second, std::move(settlement));
    }
}

}  // namespace millrace::broker::odoo
