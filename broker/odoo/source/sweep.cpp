#include "broker/odoo/source/sweep.hpp"

#include <algorithm>
#include <utility>

#include "storage/base/logging.hpp"

namespace millrace::broker::odoo {
namespace {

constexpr std::chrono::seconds retry_min{1};
constexpr std::uint32_t retry_doublings_max = 8;
constexpr std::chrono::seconds stopped_retry{300};
constexpr const char* before_everything = "1970-01-01 00:00:00";
constexpr std::chrono::seconds tick{5};  ///< how old the gauges of lag may be

bool is_passing(Cause cause) {
    return cause == Cause::outage || cause == Cause::transient || cause == Cause::outcome_unknown;
}

std::string moment_at(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? whole_seconds(found->get<std::string>())
                                                       : std::string();
}

Result<SweepCursor> cursor_of(const std::string& model, const Json& json) {
    const auto last_id = json.is_object() ? json.find("last_id") : json.end();
    if (!json.is_object() || last_id == json.end() || !last_id->is_number_integer()) {
        return fail(Errc::malformed, "the cursor of " + model + " has no last_id");
    }
    return SweepCursor{.from = moment_at(json, "from"),
                       .upto = moment_at(json, "upto"),
                       .last_id = last_id->get<std::int64_t>()};
}

}  // namespace

Result<SweepCursors> parse_cursors(const std::string& text) {
    const auto json = Json::parse(text, nullptr, false);
    if (!json.is_object()) {
        return fail(Errc::malformed, "the cursors are no JSON object");
    }
    SweepCursors cursors;
    for (const auto& [model, one] : json.items()) {
        MILLRACE_TRY(cursors[model], cursor_of(model, one));
    }
    return cursors;
}

std::string format_cursors(const SweepCursors& cursors) {
    auto json = Json::object();
    for (const auto& [model, one] : cursors) {
        json[model] = {{"from", one.from}, {"upto", one.upto}, {"last_id", one.last_id}};
    }
    return json.dump(2) + "\n";
}

Sweep::Sweep(const SourceFile& file, SweepCursors cursors, SweepParts parts)
    : file_(file), cursors_(std::move(cursors)), kept_(cursors_), parts_(std::move(parts)) {
    const auto now = parts_.clock.steady_now();
    for (const auto& model : file_.models) {
        if (model.is_swept) {
            models_[model.model] = {.model = &model,
                                    .due = now,
                                    .began_at = now,
                                    .complete_as_of = now,
                                    .lag = &parts_.metrics.sweep_lag_seconds(model.model),
                                    .stopped = &parts_.metrics.sweep_stopped(model.model)};
        }
    }
}

void Sweep::run() {
    const auto now = parts_.clock.steady_now();
    auto next = now + tick;
    for (auto& [name, of] : models_) {
        of.lag->set(
            std::chrono::duration_cast<std::chrono::seconds>(now - of.complete_as_of).count());
        if (!of.is_busy && of.due <= now) {
            look(of);
        }
        if (!of.is_busy) {
            next = std::min(next, of.due);
        }
    }
    if (!models_.empty()) {
        parts_.wake_at(next);
    }
}

void Sweep::ask(OfModel& of, Json domain, Json options, Next next) {
    of.is_busy = true;
    Call call{.model = of.model->model, .method = "search_read", .ids = {}};
    call.named = std::move(options);
    call.named["domain"] = std::move(domain);
    call.named["fields"] = Json::array({"write_date"});
    call.context = {{"tz", "UTC"}, {"active_test", false}};
    parts_.transport.call(
        call, [this, &of, next, weak = std::weak_ptr(is_alive_)](const Reply& reply) {
            if (weak.expired()) {
                return;
            }
            if (const auto* const fault = std::get_if<Fault>(&reply)) {
                fail_sweep(of, *fault);
                return;
            }
            const auto rows = Json::parse(std::get<std::string>(reply), nullptr, false);
            if (!rows.is_array()) {
                fail_sweep(of, {.cause = Cause::configuration, .error = "search_read: no list"});
                return;
            }
            (this->*next)(of, rows);
        });
}

/// Two changes of one second look the same, so a sweep sees anew what the one before has seen, as
/// long as something may still commit; then its hints are repeats, or nothing would ever rest.
void Sweep::name_sweep(OfModel& of) {
    if (std::exchange(of.newest, cursor(of).upto) != cursor(of).upto) {
        of.newest_since = of.began_at;
    }
    of.name = of.began_at - of.newest_since > file_.sweep.overlap
                  ? "rest"
                  : std::to_string(parts_.clock.unix_now());
}

void Sweep::look(OfModel& of) {
    of.began_at = parts_.clock.steady_now();
    if (!cursor(of).upto.empty()) {
        name_sweep(of);
        ask_page(of);  // it goes on where it was before a restart or a failure
        return;
    }
    // What changes while pages are read is newer than this and is the next sweep's.
    ask(of,
        of.model->domain,
        {{"order", "write_date desc, id desc"}, {"limit", 1}},
        &Sweep::take_newest);
}

void Sweep::take_newest(OfModel& of, const Json& rows) {
    auto& at = cursor(of);
    const auto newest = rows.empty() ? std::string() : moment_at(rows.front(), "write_date");
    if (at == SweepCursor{} && !file_.sweep.begins_at_beginning) {
        at.from = newest.empty() ? before_everything : newest;
    }
    if (newest.empty()) {
        end_page(of, 0, 0);
        return;
    }
    at.upto = newest;
    at.last_id = 0;
    name_sweep(of);
    keep_cursors();
    ask_page(of);
}

void Sweep::ask_page(OfModel& of) {
    const auto& at = cursor(of);
    auto domain = of.model->domain;
    if (!at.from.empty()) {
        domain.push_back(
            Json::array({"write_date", ">=", earlier(at.from, file_.sweep.overlap.count())}));
    }
    // By id: write_date is told in whole seconds and kept in finer ones, so that no page could
    // begin after a row of the one before; and a record that changes meanwhile keeps its place.
    domain.push_back(Json::array({"id", ">", at.last_id}));
    ask(of,
        std::move(domain),
        {{"order", "id"}, {"limit", file_.sweep.page_records}},
        &Sweep::take_page);
}

void Sweep::take_page(OfModel& of, const Json& rows) {
    std::vector<SweptHint> hints;
    std::int64_t last_id = cursor(of).last_id;
    for (const auto& row : rows) {
        const auto id = row.is_object() ? row.find("id") : row.end();
        if (!row.is_object() || id == row.end() || !id->is_number_integer()) {
            fail_sweep(of,
                       {.cause = Cause::configuration, .error = "search_read: a row has no id"});
            return;
        }
        last_id = std::max(last_id, id->get<std::int64_t>());
        hints.push_back(swept_hint({.model = of.model->model,
                                    .id = id->get<std::int64_t>(),
                                    .write_date = moment_at(row, "write_date"),
                                    .body = {}},
                                   of.name));
    }
    parts_.metrics.count_swept(of.model->model, rows.size());
    if (hints.empty()) {
        end_page(of, last_id, 0);
        return;
    }
    parts_.publish(std::move(hints),
                   [this, &of, last_id, rows = rows.size(), weak = std::weak_ptr(is_alive_)](
                       const Result<void>& published) {
                       if (weak.expired()) {
                           return;
                       }
                       if (!published) {
                           fail_sweep(of,
                                      {.cause = published.error().code == Errc::unknown_topic
                                                    ? Cause::configuration
                                                    : Cause::transient,
                                       .error = published.error().text});
                           return;
                       }
                       end_page(of, last_id, rows);
                   });
}

void Sweep::end_page(OfModel& of, std::int64_t last_id, std::size_t rows) {
    auto& at = cursor(of);
    const bool is_last = rows < file_.sweep.page_records;
    if (!is_last) {
        at.last_id = last_id;
    } else if (!at.upto.empty()) {
        at = {.from = at.upto, .upto = {}, .last_id = 0};
    }
    of.is_busy = false;
    of.stopped->set(0);
    if (std::exchange(of.failures, 0) > 0) {
        log_info("odoo-source", "the sweep of " + of.model->model + " goes on");
    }
    keep_cursors();
    if (!is_last) {
        ask_page(of);
        return;
    }
    of.complete_as_of = of.began_at;
    of.due = parts_.clock.steady_now() + file_.sweep.interval;
    run();
}

void Sweep::keep_cursors() {
    if (cursors_ != kept_) {
        kept_ = cursors_;
        parts_.save(cursors_);
    }
}

void Sweep::fail_sweep(OfModel& of, const Fault& fault) {
    const auto now = parts_.clock.steady_now();
    const bool passes = is_passing(fault.cause);
    const auto doublings = std::min(of.failures++, retry_doublings_max);
    const auto delay = passes ? std::min(retry_min * (std::int64_t{1} << doublings), stopped_retry)
                              : stopped_retry;
    of.is_busy = false;
    of.due = now + delay;
    parts_.metrics.count_fault(of.model->model, fault.cause);
    if (!passes && of.stopped->value() == 0) {
        log_error("odoo-source",
                  of.model->place + ": the sweep of " + of.model->model +
                      " stops, and is tried again every " + std::to_string(stopped_retry.count()) +
                      " s: " + fault.error);
    } else if (passes && of.failures == 1) {
        log_warning("odoo-source", "the sweep of " + of.model->model + " waits: " + fault.error);
    }
    of.stopped->set(passes ? 0 : 1);
    run();
}

}  // namespace millrace::broker::odoo
