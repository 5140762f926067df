#include "broker/gateways/http/routing/openapi.hpp"

#include <algorithm>

namespace millrace::broker::http {
namespace {

Json schema_of(const Field& field) {
    Json schema;
    switch (field.type) {
        case FieldType::text:
            schema = {{"type", "string"}};
            break;
        case FieldType::moment:
            schema = {{"type", "string"}, {"examples", Json::array({"2026-11-20T06:00:00Z"})}};
            break;
        case FieldType::number:
            schema = {{"type", "number"}, {"minimum", 0}};
            break;
        case FieldType::integer:
            schema = {{"type", "integer"}, {"minimum", 0}};
            break;
        case FieldType::boolean:
            schema = {{"type", "boolean"}};
            break;
        case FieldType::texts:
            schema = {{"type", "array"}, {"items", {{"type", "string"}}}};
            break;
        case FieldType::object:
            schema = {{"type", "object"}};
            break;
        case FieldType::any:
            schema = Json::object();
            break;
    }
    if (field.max != UINT64_MAX && field.type == FieldType::integer) {
        schema["maximum"] = field.max;
    }
    if (!field.one_of.empty()) {
        schema["enum"] = field.one_of;
    }
    return schema;
}

Json parameters_of(const Route& route) {
    Json parameters = Json::array();
    for (std::size_t begin = route.pattern.find('{'); begin != std::string::npos;
         begin = route.pattern.find('{', begin + 1)) {
        const auto end = route.pattern.find('}', begin);
        parameters.push_back({{"name", route.pattern.substr(begin + 1, end - begin - 1)},
                              {"in", "path"},
                              {"required", true},
                              {"schema", {{"type", "string"}}}});
    }
    for (const auto& field : route.query) {
        parameters.push_back({{"name", field.name},
                              {"in", "query"},
                              {"required", field.is_required},
                              {"description", field.help},
                              {"schema", schema_of(field)}});
    }
    return parameters;
}

Json body_of(const BodyRule& rule) {
    Json schema{{"type", "object"}, {"properties", Json::object()}};
    Json required = Json::array();
    for (const auto& field : rule.fields) {
        auto property = schema_of(field);
        property["description"] = field.help;
        schema["properties"][std::string(field.name)] = std::move(property);
        if (field.is_required) {
            required.push_back(field.name);
        }
    }
    if (!required.empty()) {
        schema["required"] = std::move(required);
    }
    schema["additionalProperties"] = false;
    Json content = Json::object();
    for (const auto& type : rule.content_types) {
        content[std::string(type)] =
            rule.fields.empty() ? Json::object() : Json{{"schema", schema}};
    }
    if (content.empty()) {
        content["*/*"] = Json::object();
    }
    Json body{{"required", rule.need == BodyNeed::required}, {"content", std::move(content)}};
    if (!rule.help.empty()) {
        body["description"] = rule.help;
    }
    return body;
}

Json operation_of(const Route& route) {
    const Json refusal{
        {"description", "An error, as RFC 9457 has it."},
        {"content",
         {{"application/problem+json", {{"schema", {{"$ref", "#/components/schemas/Problem"}}}}}}}};
    Json operation{{"summary", route.summary}, {"parameters", parameters_of(route)}};
    if (route.body.need != BodyNeed::none) {
        operation["requestBody"] = body_of(route.body);
    }
    Json success{{"description", "Done."}};
    if (!route.success_type.empty()) {
        success["content"] = {{std::string(route.success_type), Json::object()}};
    }
    operation["responses"] = {{std::to_string(route.success), std::move(success)},
                              {"default", refusal}};
    return operation;
}

std::string lower_name_of(Method method) {
    std::string name(name_of(method));
    std::ranges::transform(
        name, name.begin(), [](char c) { return static_cast<char>(c - 'A' + 'a'); });
    return name;
}

Json problem_schema() {
    return {
        {"type", "object"},
        {"properties",
         {{"type", {{"type", "string"}}},
          {"title", {{"type", "string"}}},
          {"status", {{"type", "integer"}}},
          {"detail", {{"type", "string"}}},
          {"error", {{"type", "string"}, {"description", "The broker's name of the error."}}},
          {"retryable",
           {{"type", "boolean"}, {"description", "Whether the same request may succeed later."}}},
          {"limit",
           {{"type", "string"}, {"description", "The setting whose limit was reached."}}}}}};
}

}  // namespace

Json openapi_document(const Routes& routes, const std::string& version) {
    Json paths = Json::object();
    for (const auto& route : routes) {
        paths[route.pattern][lower_name_of(route.method)] = operation_of(route);
    }
    return {{"openapi", "3.1.0"},
            {"info", {{"title", "Millrace"}, {"version", version}}},
            {"paths", std::move(paths)},
            {"components", {{"schemas", {{"Problem", problem_schema()}}}}}};
}

}  // namespace millrace::broker::http
