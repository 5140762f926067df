#include <optional>
#include <utility>

#include "broker/odoo/plan/calls.hpp"
#include "broker/odoo/sink/sink.hpp"
#include "storage/base/logging.hpp"

// Blocks of the ledger: what is asked of its action, and what it answers for each event.

namespace millrace::broker::odoo {
namespace {

Fault no_ledger() {
    return {.cause = Cause::configuration,
            .error = "Odoo has no ledger: an administrator runs millrace odoo install once"};
}

Call action_reference() {
    return reference_call(std::string(ledger_module) + "." + ledger_action);
}

/// Nothing: the action is not to be seen.
std::optional<std::int64_t> action_id_of(const std::string& reference) {
    const auto found = Json::parse(reference, nullptr, false);
    const bool is_there = found.is_array() && found.size() == 2 && found[1].is_number_integer();
    return is_there ? std::optional(found[1].get<std::int64_t>()) : std::nullopt;
}

Fault hidden_action() {
    return {.cause = Cause::configuration,
            .error =
                "the user may not see the action of the ledger: give it the right to read "
                "server actions, or set odoo_ledger_action to its id"};
}

}  // namespace

bool Sink::refuse_action(const BatchPtr& batch, const Fault& fault) {
    const bool is_unknown_id =
        fault.cause == Cause::mapping && fault.error.find(unknown_external_id) != std::string::npos;
    // Faults of events are in the action's answer: a record that the call itself misses is the
    // action.
    if (!is_unknown_id && !fault.is_record_missing) {
        return false;
    }
    const bool was_found = ledger_action_id_ != options_.ledger_action_id || is_unknown_id;
    ledger_action_id_ = options_.ledger_action_id;
    if (fault.is_record_missing && was_found && !std::exchange(batch->is_called, true)) {
        start_ledger(batch);  // by its external id: it may have been installed anew
        return true;
    }
    for (const auto& flow : std::exchange(batch->flows, {})) {
        nack(*flow, no_ledger());
    }
    return true;
}

void Sink::start_ledger(const BatchPtr& batch) {
    if (ledger_action_id_ == 0) {
        send(batch, action_reference(), &Sink::on_action);
        return;
    }
    Json entries = Json::array();
    for (const auto& flow : batch->flows) {
        entries.push_back(flow->entry.json);
    }
    send(batch, ledger_call(ledger_action_id_, std::move(entries)), &Sink::on_ledger);
}

void Sink::on_action(const BatchPtr& batch, const std::string& result) {
    if (const auto id = action_id_of(result)) {
        ledger_action_id_ = *id;
        start_ledger(batch);
        return;
    }
    refuse_all(batch, hidden_action());
}

void Sink::on_ledger(const BatchPtr& batch, const std::string& result) {
    auto answer = parse_ledger_answer(result, batch->flows.size());
    if (const auto* const fault = std::get_if<Fault>(&answer)) {
        refuse_all(batch, *fault);
        return;
    }
    auto& outcomes = std::get<std::vector<LedgerOutcome>>(answer);
    for (const auto& outcome : outcomes) {
        const auto* const fault = std::get_if<Fault>(&outcome);
        if (fault != nullptr && fault->cause == Cause::transient) {
            note_trouble(*batch, *fault);
            break;
        }
    }
    for (std::size_t at = 0; at < outcomes.size(); ++at) {
        auto& flow = batch->flows[at];
        if (const auto* const fault = std::get_if<Fault>(&outcomes[at])) {
            metrics_.rows_refused.add();
            refuse(std::move(flow), *fault);
        } else {
            finish(std::move(flow), std::get<LedgerDone>(outcomes[at]));
        }
    }
}

void Sink::finish(FlowPtr flow, const LedgerDone& done) {
    done.is_duplicate ? metrics_.duplicates.add() : metrics_.rows_written.add();
    const auto& steps = flow->rule->steps;
    for (auto left = block_length(steps, flow->step); left > 0; --left) {
        cache_.forget_missing_of(flow->current().model);
        const auto& name = flow->current().name;
        const auto id = done.ids.find(name);
        flow->scope.add_step(name, id == done.ids.end() ? Json() : Json{{"id", *id}});
        ++flow->step;
    }
    enter(std::move(flow));
}

void Sink::forget_markers(UnixMicros before) {
    if (!mapping_.has_ledger()) {
        return;
    }
    if (ledger_action_id_ == 0) {
        find_action_to_forget(before);
        return;
    }
    const auto text = format_odoo_datetime(before);
    parts_.transport.call(forget_call(ledger_action_id_, {.before = text, .feed = mapping_.feed()}),
                          [this, alive = is_alive_, before](const Reply& reply) {
                              if (*alive) {
                                  take_forgotten(before, reply);
                              }
                          });
}

void Sink::take_forgotten(UnixMicros before, const Reply& reply) {
    if (const auto* const fault = std::get_if<Fault>(&reply)) {
        if (fault->is_record_missing) {  // the next time it is looked up again
            ledger_action_id_ = options_.ledger_action_id;
        }
        log_warning("odoo", "markers stay: " + fault->error);
        return;
    }
    const auto json = Json::parse(std::get<std::string>(reply), nullptr, false);
    const auto forgotten = json.is_object() ? json.value("forgotten", Json()) : Json();
    if (forgotten.is_number_integer() && forgotten > 0) {
        forget_markers(before);
    }
}

/// After a start no event may have asked for the action yet, and old markers are to go all the
/// same.
void Sink::find_action_to_forget(UnixMicros before) {
    parts_.transport.call(
        action_reference(), [this, alive = is_alive_, before](const Reply& reply) {
            if (!*alive) {
                return;
            }
            const auto* const text = std::get_if<std::string>(&reply);
            const auto id = text != nullptr ? action_id_of(*text) : std::nullopt;
            if (id) {
                ledger_action_id_ = *id;
                forget_markers(before);
                return;
            }
            const auto why = text != nullptr ? hidden_action().error : std::get<Fault>(reply).error;
            log_warning("odoo", "markers stay: " + why);
        });
}

}  // namespace millrace::broker::odoo
