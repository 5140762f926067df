#include <algorithm>
#include <iterator>
#include <utility>

#include "broker/odoo/answers/json_text.hpp"
#include "broker/odoo/plan/calls.hpp"
#include "broker/odoo/sink/sink.hpp"

// What a batch asks of Odoo, and what its answers mean for each of its events.

namespace millrace::broker::odoo {
namespace {

std::vector<const Work*> works_of(const Batch& batch) {
    std::vector<const Work*> works;
    works.reserve(batch.flows.size());
    for (const auto& flow : batch.flows) {
        works.push_back(&flow->work);
    }
    return works;
}

Fault unexpected(const Batch& batch, const std::string& result) {
    return {.cause = Cause::mapping,
            .error = batch.station->kind + " answered in a shape that is not known",
            .response = readable_text(result, response_bytes_max)};
}

Json record_ids(const Batch& batch) {
    Json ids = Json::array();
    for (const auto& flow : batch.flows) {
        if (std::ranges::find(ids, flow->work.id) == ids.end()) {
            ids.push_back(flow->work.id);
        }
    }
    return ids;
}

}  // namespace

void Sink::start(const BatchPtr& batch) {
    const auto& step = *batch->station->step;
    if (batch->station->is_ledger) {
        start_ledger(batch);
        return;
    }
    switch (step.action) {
        case Action::upsert:
            send(batch, load_call(step, works_of(*batch)), &Sink::on_loaded);
            return;
        case Action::lookup:
            start_lookup(batch);
            return;
        case Action::create:
            send(batch, create_call(step, works_of(*batch)), &Sink::on_created);
            return;
        case Action::write:
            send(batch, group_call(step, works_of(*batch)), &Sink::on_written);
            return;
        case Action::call:
            start_call(batch);
            return;
    }
}

void Sink::on_loaded(const BatchPtr& batch, const std::string& result) {
    const auto answer = parse_load_answer(result, batch->flows.size());
    if (const auto* const refused = std::get_if<std::vector<RefusedRow>>(&answer)) {
        drop_rows(batch, *refused);
        return;
    }
    if (const auto* const fault = std::get_if<Fault>(&answer)) {
        refuse_all(batch, *fault);
        return;
    }
    metrics_.rows_written.add(batch->flows.size());
    cache_.forget_missing_of(batch->station->step->model);
    const auto& ids = std::get<LoadWrote>(answer).ids;
    remember_ids(batch, ids);
    for (std::size_t at = 0; at < batch->flows.size(); ++at) {
        auto& flow = batch->flows[at];
        Json brought{{"id", ids[at]}, {"external_id", flow->work.external_id}};
        advance(std::move(flow), std::move(brought));
    }
}

void Sink::on_created(const BatchPtr& batch, const std::string& result) {
    const auto ids = Json::parse(result, nullptr, false);
    if (!ids.is_array() || ids.size() != batch->flows.size()) {
        refuse_all(batch, unexpected(*batch, result));
        return;
    }
    metrics_.rows_written.add(batch->flows.size());
    cache_.forget_missing_of(batch->station->step->model);
    for (std::size_t at = 0; at < batch->flows.size(); ++at) {
        advance(std::move(batch->flows[at]), {{"id", ids[at]}});
    }
}

void Sink::on_written(const BatchPtr& batch, const std::string& result) {
    // A module's own `write` may give nothing back, which is no failure.
    const auto answer = Json::parse(result, nullptr, false);
    if (answer != true && !answer.is_null()) {
        refuse_all(batch, unexpected(*batch, result));
        return;
    }
    metrics_.rows_written.add(batch->flows.size());
    for (auto& flow : batch->flows) {
        Json brought{{"id", flow->work.id}};
        advance(std::move(flow), std::move(brought));
    }
}

void Sink::start_call(const BatchPtr& batch) {
    const auto& step = *batch->station->step;
    if (step.expect.empty() || batch->is_called) {
        send(batch, group_call(step, works_of(*batch)), &Sink::on_called);
        return;
    }
    // What is as expected already needs no call: it is a repeat.
    send(batch,
         read_call(step.model, record_ids(*batch), expected_fields(step)),
         &Sink::on_read_back);
}

void Sink::on_called(const BatchPtr& batch, const std::string& result) {
    const auto& step = *batch->station->step;
    if (!step.expect.empty()) {
        send(batch,
             read_call(step.model, record_ids(*batch), expected_fields(step)),
             &Sink::on_read_back);
        return;
    }
    const auto value = Json::parse(result, nullptr, false);
    for (auto& flow : batch->flows) {
        Json brought{{"id", flow->work.id}, {"result", value}};
        advance(std::move(flow), std::move(brought));
    }
}

void Sink::on_read_back(const BatchPtr& batch, const std::string& result) {
    const auto records = Json::parse(result, nullptr, false);
    if (!records.is_array()) {
        refuse_all(batch, unexpected(*batch, result));
        return;
    }
    auto flows = std::exchange(batch->flows, {});
    const auto called_count = flows.size();
    for (auto& flow : flows) {
        const auto found = std::ranges::find_if(records, [&](const Json& record) {
            return record.is_object() && record.value("id", Json()) == flow->work.id;
        });
        judge(batch, std::move(flow), found == records.end() ? nullptr : &*found);
    }
    if (batch->flows.empty()) {
        return;
    }
    if (!batch->is_called) {
        batch->is_called = true;
        start_call(batch);
    } else if (called_count > 1) {
        // A wizard for one of them has kept Odoo from doing anything for any.
        add_halves(batch);
    } else {
        refuse_undone(*batch->flows.front(), records.front());
    }
}

void Sink::judge(const BatchPtr& batch, FlowPtr flow, const Json* record) {
    const auto& step = flow->current();
    if (record == nullptr) {
        Fault missing{.cause = Cause::mapping,
                      .error = step.place + ": " + step.model + " " + flow->work.id.dump() +
                               " does not exist or is hidden"};
        missing.is_record_missing = true;
        refuse(std::move(flow), missing);
        return;
    }
    if (!is_as_expected(step, *record)) {
        batch->flows.push_back(std::move(flow));
        return;
    }
    metrics_.already_there.add(batch->is_called ? 0 : 1);
    Json brought = *record;
    advance(std::move(flow), std::move(brought));
}

void Sink::refuse_undone(const Flow& flow, const Json& record) {
    const auto& step = flow.current();
    nack(flow,
         {.cause = Cause::mapping,
          .error = step.place + ": " + step.method +
                   " has not done what is expected: " + record.dump() + " instead of " +
                   step.expect.dump() + "; Odoo may have asked with a wizard",
          .response = {},
          .may_pass_later = true});
}

void Sink::add_halves(const BatchPtr& batch) {
    auto flows = std::exchange(batch->flows, {});
    const auto middle = flows.begin() + static_cast<std::ptrdiff_t>(flows.size() / 2);
    std::vector<FlowPtr> second(std::make_move_iterator(middle),
                                std::make_move_iterator(flows.end()));
    flows.erase(middle, flows.end());
    for (auto* const half : {&flows, &second}) {
        if (!half->empty()) {
            stations_.add_again(*batch->station, std::move(*half));
        }
    }
}

void Sink::start_lookup(const BatchPtr& batch) {
    const auto& step = *batch->station->step;
    const auto& work = batch->flows.front()->work;
    if (step.external_id && batch->is_called) {
        send(batch, read_call(step.model, Json::array({work.id}), step.read), &Sink::on_found);
    } else if (step.external_id) {
        send(batch, reference_call(work.external_id), &Sink::on_reference);
    } else {
        send(batch, search_call(step, work), &Sink::on_found);
    }
}

void Sink::on_reference(const BatchPtr& batch, const std::string& result) {
    const auto& step = *batch->station->step;
    const auto found = Json::parse(result, nullptr, false);
    if (!found.is_array() || found.size() != 2) {
        refuse_all(batch, unexpected(*batch, result));
    } else if (found[0] != step.model) {
        refuse_all(batch,
                   {.cause = Cause::mapping,
                    .error = step.place + ": " + batch->flows.front()->work.external_id +
                             " is a record of " + found[0].dump() + ", not of " + step.model});
    } else if (!found[1].is_number_integer()) {
        end_lookup(batch, nullptr);
    } else if (step.read.empty()) {
        end_lookup(batch, {{"id", found[1]}});
    } else {
        batch->is_called = true;
        batch->flows.front()->work.id = found[1];
        start_lookup(batch);
    }
}

void Sink::on_found(const BatchPtr& batch, const std::string& result) {
    const auto records = Json::parse(result, nullptr, false);
    if (!records.is_array()) {
        refuse_all(batch, unexpected(*batch, result));
    } else if (records.size() > 1) {
        refuse_all(batch,
                   {.cause = Cause::mapping,
                    .error = batch->flows.front()->current().place + ": more than one " +
                             batch->station->step->model + " is found by " +
                             batch->flows.front()->work.domain.dump()});
    } else {
        end_lookup(batch, records.empty() ? Json() : records[0]);
    }
}

void Sink::end_lookup(const BatchPtr& batch, const Json& found) {
    const auto& step = *batch->station->step;
    // What must be there is asked for again each time: somebody may just have added it.
    const auto missing_kept = step.may_be_missing ? step.cache_missing : std::chrono::seconds(0);
    const auto& work = batch->flows.front()->work;
    if (step.external_id && found.is_object()) {
        remember_id(step.model, work.external_id, found.at("id"));
    }
    cache_.store(found_key(step, work), found, found.is_null() ? missing_kept : step.cache);
    for (auto& flow : batch->flows) {
        if (take_lookup(flow, found)) {
            enter(std::move(flow));
        }
    }
}

}  // namespace millrace::broker::odoo
