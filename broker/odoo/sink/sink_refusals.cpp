#include <algorithm>
#include <utility>

#include "broker/odoo/sink/sink.hpp"

// What Odoo refuses: which events are concerned, and which of them may have asked with an id that
// lookups had found and that is not there any more.

namespace millrace::broker::odoo {
namespace {

/// Whether a row is refused for an id in one of its columns. The text says so too, but in the
/// language of the user.
bool is_id_refused(const Step& step, const RefusedRow& row) {
    return !row.field.empty() && row.fault.cause == Cause::mapping &&
           std::ranges::any_of(step.fields, [&](const Expression& cell) {
               return cell.name.starts_with(row.field + "/") && cell.name.ends_with("/.id");
           });
}

bool uses_any(const Flow& flow, const std::vector<UsedLookup>& lookups) {
    return std::ranges::any_of(flow.lookups, [&](const UsedLookup& used) {
        return std::ranges::find(lookups, used) != lookups.end();
    });
}

}  // namespace

void Sink::drop_rows(const BatchPtr& batch, const std::vector<RefusedRow>& refused) {
    metrics_.rows_refused.add(refused.size());
    const auto conflict = std::ranges::find(
        refused, Cause::transient, [](const RefusedRow& row) { return row.fault.cause; });
    if (conflict != refused.end()) {
        note_trouble(*batch, conflict->fault);
    }
    std::vector<FlowPtr> rest;
    std::vector<UsedLookup> stale;
    auto next = refused.begin();
    for (std::size_t row = 0; row < batch->flows.size(); ++row) {
        auto& flow = batch->flows[row];
        if (next == refused.end() || next->row != row) {
            rest.push_back(std::move(flow));
            continue;
        }
        if (is_id_refused(flow->current(), *next) && may_begin_anew(*flow)) {
            stale.insert(stale.end(), flow->lookups.begin(), flow->lookups.end());
            begin_anew(std::move(flow));
        } else {
            nack(*flow, next->fault);
        }
        ++next;
    }
    // Those that ask with the same id would be refused too, about ten in each call.
    const auto as_stale = std::stable_partition(rest.begin(), rest.end(), [&](const auto& flow) {
        return !may_begin_anew(*flow) || !uses_any(*flow, stale);
    });
    for (auto flow = as_stale; flow != rest.end(); ++flow) {
        begin_anew(std::move(*flow));
    }
    rest.erase(as_stale, rest.end());
    if (!rest.empty()) {
        stations_.add_again(*batch->station, std::move(rest));
    }
}

void Sink::refuse_all(const BatchPtr& batch, const Fault& fault) {
    const bool is_lookup = batch->station->step->action == Action::lookup;
    if (is_lookup && fault.error.find(unknown_external_id) != std::string::npos) {
        end_lookup(batch, nullptr);
        return;
    }
    if (batch->station->is_ledger && refuse_action(batch, fault)) {
        return;
    }
    if (fault.cause == Cause::mapping && batch->flows.size() > 1 && !is_lookup) {
        forget_missing(*batch->flows.front(), fault);
        add_halves(batch);  // one of them is guilty, until it is alone
        return;
    }
    for (auto& flow : std::exchange(batch->flows, {})) {
        refuse(std::move(flow), fault);
    }
}

void Sink::refuse(FlowPtr flow, const Fault& fault) {
    forget_missing(*flow, fault);
    if (fault.is_record_missing && may_begin_anew(*flow)) {
        begin_anew(std::move(flow));
    } else {
        nack(*flow, fault);
    }
}

void Sink::forget_missing(const Flow& flow, const Fault& fault) {
    if (!fault.is_record_missing) {
        return;
    }
    // Which of its records is gone is not said; what lookups found of any of them is not believed.
    for (const auto& step : flow.rule->steps) {
        cache_.forget_model(step.model);
    }
}

bool Sink::may_begin_anew(const Flow& flow) {
    return !flow.lookups.empty() && !flow.has_begun_anew;
}

void Sink::begin_anew(FlowPtr flow) {
    metrics_.lookups_stale.add();
    for (const auto& [key, found] : std::exchange(flow->lookups, {})) {
        cache_.forget(key, found);
    }
    // From the first step: each proves itself, as it does when the event is delivered again.
    flow->has_begun_anew = true;
    flow->step = 0;
    flow->scope.forget_steps();
    enter(std::move(flow));
}

}  // namespace millrace::broker::odoo
