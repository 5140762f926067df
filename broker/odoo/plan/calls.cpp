#include "broker/odoo/plan/calls.hpp"

#include <algorithm>

namespace millrace::broker::odoo {

Json columns_of(const Step& step) {
    Json columns = Json::array({"id"});
    for (const auto& cell : step.fields) {
        columns.push_back(cell.name);
    }
    return columns;
}

Call load_call(const Step& step, Works works) {
    Json rows = Json::array();
    for (const auto* const work : works) {
        rows.push_back(work->cells);
    }
    Call call{.model = step.model, .method = "load"};
    call.positional = {{"fields", columns_of(step)}, {"data", std::move(rows)}};
    // Odoo reads datetimes of `load` in the user's zone; events are in UTC.
    call.context = {{"tz", "UTC"}};
    return call;
}

Call create_call(const Step& step, Works works) {
    Json values = Json::array();
    for (const auto* const work : works) {
        values.push_back(work->values);
    }
    Call call{.model = step.model, .method = "create"};
    call.positional = {{"vals_list", std::move(values)}};
    call.context = works.front()->context;
    return call;
}

Call group_call(const Step& step, Works works) {
    Json ids = Json::array();
    for (const auto* const work : works) {
        ids.push_back(work->id);
    }
    Call call{.model = step.model, .method = step.method, .ids = std::move(ids)};
    if (step.action == Action::write) {
        call.method = "write";
        call.positional = {{"vals", works.front()->values}};
    }
    call.named = works.front()->arguments;
    call.context = works.front()->context;
    return call;
}

Call read_call(const std::string& model, const Json& ids, const Json& fields) {
    Call call{.model = model, .method = "read", .ids = ids};
    call.positional = {{"fields", fields}};
    return call;
}

Call reference_call(const std::string& external_id) {
    const auto dot = external_id.find('.');
    Call call{.model = "ir.model.data", .method = "check_object_reference"};
    call.positional = {{"module", external_id.substr(0, dot)},
                       {"xml_id", external_id.substr(dot + 1)}};
    return call;
}

Call search_call(const Step& step, const Work& work) {
    Json fields = Json::array({"id"});
    for (const auto& field : step.read) {
        fields.push_back(field);
    }
    Call call{.model = step.model, .method = "search_read"};
    call.positional = {{"domain", work.domain}, {"fields", std::move(fields)}};
    call.named = {{"limit", 2}};
    return call;
}

Json expected_fields(const Step& step) {
    Json fields = Json::array();
    for (const auto& [name, values] : step.expect.items()) {
        fields.push_back(name);
    }
    return fields;
}

bool is_as_expected(const Step& step, const Json& record) {
    return std::ranges::all_of(step.expect.items(), [&](const auto& wanted) {
        const auto found = record.find(wanted.key());
        return found != record.end() &&
               std::ranges::find(wanted.value(), *found) != wanted.value().end();
    });
}

}  // namespace millrace::broker::odoo
