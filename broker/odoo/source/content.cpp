#include "broker/odoo/source/content.hpp"

#include "broker/security/digest.hpp"

namespace millrace::broker::odoo {
namespace {

constexpr std::size_t hash_bytes = 16;

Result<Json> evaluate(const Expression& expression, const std::string& document) {
    auto made = expression.evaluate(document);
    if (!made) {
        return fail(Errc::invalid_argument, expression.fault(made.error().text).error);
    }
    return made;
}

Result<std::string> text_of(const Expression& expression, const std::string& document) {
    MILLRACE_TRY(const auto made, evaluate(expression, document));
    if (!made.is_string() || made.get<std::string>().empty()) {
        return fail(Errc::invalid_argument,
                    expression.fault("gives " + made.dump() + " where a text is wanted").error);
    }
    return made.get<std::string>();
}

std::string document_of(const SourceModel& model, std::int64_t id, const char* name, Json part) {
    const Json document{{"model", model.model}, {"id", id}, {name, std::move(part)}};
    return document.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_true(const Json& value) {
    return !value.is_null() && value != false;
}

}  // namespace

Result<Content> content_of(const SourceModel& model, const Json& row) {
    const auto id = row.is_object() ? row.find("id") : row.end();
    const auto date = row.is_object() ? row.find("write_date") : row.end();
    if (!row.is_object() || id == row.end() || !id->is_number_integer() || date == row.end()) {
        return fail(Errc::malformed, model.model + ": Odoo's row has no id and write_date");
    }
    Content content{.id = id->get<std::int64_t>(), .write_date = {}, .record = {}, .hash = {}};
    content.write_date =
        whole_seconds(date->is_string() ? date->get<std::string>() : std::string());
    content.record["id"] = content.id;
    for (const auto& field : model.fields) {
        content.record[field] = row.value(field, Json());
    }
    content.hash =
        format_hex(sha256(content.record.dump(-1, ' ', false, Json::error_handler_t::replace))
                       .substr(0, hash_bytes));
    return content;
}

Result<std::optional<SourceEvent>> event_of(const SourceModel& model, const Content& content) {
    const auto document = document_of(model, content.id, "record", content.record);
    if (model.only_if) {
        MILLRACE_TRY(const auto wanted, evaluate(*model.only_if, document));
        if (!is_true(wanted)) {
            return std::optional<SourceEvent>();
        }
    }
    SourceEvent event;
    MILLRACE_TRY(event.topic, text_of(model.topic, document));
    event.key = reference_of(model.model, content.id);
    if (model.key) {
        MILLRACE_TRY(event.key, text_of(*model.key, document));
    }
    auto value = content.record;
    if (model.value) {
        MILLRACE_TRY(value, evaluate(*model.value, document));
    }
    event.value = value.dump(-1, ' ', false, Json::error_handler_t::replace);
    event.event_id =
        reference_of(model.model, content.id) + "," + content.write_date + "," + content.hash;
    return std::optional(std::move(event));
}

Result<bool> announces_deletion(const SourceModel& model, const Hint& hint) {
    if (!model.deleted || hint.is_swept) {
        return false;
    }
    MILLRACE_TRY(const auto said,
                 evaluate(model.deleted->when, document_of(model, hint.id, "hint", hint.body)));
    return is_true(said);
}

Result<SourceEvent> deleted_event(const SourceModel& model, const Hint& hint) {
    SourceEvent event;
    const auto document = document_of(model, hint.id, "hint", hint.body);
    MILLRACE_TRY(event.topic, text_of(model.deleted->topic, document));
    event.key = reference_of(model.model, hint.id);
    event.value = Json{{"id", hint.id}, {"deleted", true}}.dump();
    event.event_id = event.key + ",deleted";
    return event;
}

}  // namespace millrace::broker::odoo
