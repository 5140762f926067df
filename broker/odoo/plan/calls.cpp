#include "broker/odoo/plan/calls.hpp"

#include <algorithm>
#include <array>
#include <string_view>

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
    for (const auto& name : step.context_ids) {
        call.context[name] = *call.ids;
    }
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
    // What is archived has its external id still; without this Odoo says that it is not there.
    call.context = {{"active_test", false}};
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
        return found != record.end() && is_one_of(wanted.value(), *found);
    });
}

bool is_one_of(const Json& allowed, const Json& found) {
    const auto is_allowed = [&](const Json& value) {
        return std::ranges::find(allowed, value) != allowed.end();
    };
    // A relation is read as its id and its name; either may be what is expected.
    const bool is_relation =
        found.is_array() && found.size() == 2 && found[0].is_number() && found[1].is_string();
    return is_allowed(found) || (is_relation && std::ranges::any_of(found, is_allowed));
}

bool only_reads(const Call& call) {
    constexpr std::array<std::string_view, 6> methods{
        "read", "search", "search_read", "fields_get", "get_metadata", "check_object_reference"};
    return std::ranges::find(methods, call.method) != methods.end();
}

}  // namespace millrace::broker::odoo
