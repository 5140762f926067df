#include "broker/odoo/ledger/ledger_entry.hpp"

#include <algorithm>
#include <array>
#include <ctime>

namespace millrace::broker::odoo {
namespace {

Json step_json(const Step& step, const Work& work) {
    Json json{{"name", step.name},
              {"model", step.model},
              {"method", step.action == Action::call ? step.method : name_of(step.action)},
              {"context", work.context},
              {"expect", step.expect}};
    if (step.action != Action::create) {
        json["id"] = work.id;
    }
    if (step.action == Action::call) {
        json["arguments"] = work.arguments;
    } else {
        json["values"] = work.values;
    }
    return json;
}

/// Whether something looks like a reference to a step: the action would fill it in.
bool has_reference(const Json& json) {
    if (json.is_object() && json.contains("millrace_step")) {
        return true;
    }
    return json.is_structured() && std::ranges::any_of(json, has_reference);
}

Call action_call(std::int64_t action_id, Json context) {
    Call call{.model = "ir.actions.server", .method = "run", .ids = Json::array({action_id})};
    call.context = std::move(context);
    return call;
}

}  // namespace

std::string feed_prefix(const std::string& feed) {
    // What external_name gives never begins so.
    return feed.empty() ? std::string() : "_f" + external_name(feed) + "__";
}

std::string marker_name(const Step& step, const LedgerPlace& place) {
    auto model = step.model;
    std::ranges::replace(model, '.', '_');
    return feed_prefix(place.feed) + external_name(place.event_id) + "__" + step.label() + "__" +
           model;
}

std::size_t block_length(std::span<const Step> steps, std::size_t first) {
    std::size_t length = 0;
    while (first + length < steps.size() && steps[first + length].proof == Proof::ledger) {
        ++length;
    }
    return length;
}

LedgerEvaluated evaluate_block(std::span<const Step> steps, const LedgerPlace& place, Scope scope) {
    if (has_reference(scope.json())) {
        return Fault{.cause = Cause::mapping,
                     .error = steps[place.step].place +
                              ": the event has a \"millrace_step\", which is a name of the ledger"};
    }
    LedgerEntry entry{.json = {{"id", place.event_id}, {"steps", Json::array()}}, .records = {}};
    const auto end = place.step + block_length(steps, place.step);
    for (auto at = place.step; at < end; ++at) {
        const auto& step = steps[at];
        auto evaluated = evaluate(step, scope);
        if (auto* const fault = std::get_if<Fault>(&evaluated)) {
            return std::move(*fault);
        }
        if (std::holds_alternative<Skipped>(evaluated)) {
            scope.add_step(step.name, nullptr);
            continue;
        }
        const auto& work = std::get<Work>(evaluated);
        auto json = step_json(step, work);
        json["marker"] = marker_name(step, place);
        entry.json["steps"].push_back(std::move(json));
        entry.records.insert(entry.records.end(), work.records.begin(), work.records.end());
        scope.add_step(step.name, reference_to(step.name));
    }
    if (entry.json["steps"].empty()) {
        return Skipped{};
    }
    return entry;
}

Call ledger_call(std::int64_t action_id, Json entries) {
    return action_call(action_id, {{"millrace_events", std::move(entries)}, {"tz", "UTC"}});
}

std::string format_odoo_datetime(UnixMicros time_us) {
    const auto seconds = static_cast<std::time_t>(time_us / 1'000'000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const auto length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
    return {text.data(), length};
}

Call forget_call(std::int64_t action_id, const Forgotten& which) {
    return action_call(action_id,
                       {{"millrace_forget_before", which.before},
                        {"millrace_forget_prefix", feed_prefix(which.feed)}});
}

}  // namespace millrace::broker::odoo
