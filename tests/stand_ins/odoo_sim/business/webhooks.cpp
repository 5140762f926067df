#include "tests/stand_ins/odoo_sim/business/webhooks.hpp"

#include <algorithm>

#include "tests/stand_ins/odoo_sim/records/methods.hpp"

namespace millrace::stand_ins {
namespace {

// Of one order: its own recomputations, and some for each line.
constexpr std::size_t posts_of_a_creation_min = 12;
constexpr std::size_t posts_of_a_creation_max = 28;
constexpr std::size_t posts_of_a_row = 4;

std::size_t rows_of(const Database& database, const std::string& model, RecordId id) {
    std::size_t rows = 0;
    for (const auto& [name, field] : Database::model(model).fields) {
        if (field.type != FieldType::one2many) {
            continue;
        }
        for (const auto& [row, record] : database.all(field.comodel)) {
            rows += record.values.value(field.inverse, Json(false)) == id ? 1U : 0U;
        }
    }
    return rows;
}

/// Relations as ids, moments as Python shows them.
Json body_of(const Database& database, const Webhook& webhook, const RecordChange& change) {
    const auto& values = database.at(change.model, change.id).values;
    Json body{{"_action", webhook.action + "(#5)"},
              {"_id", change.id},
              {"_model", change.model},
              {"id", change.id}};
    for (const auto& field : webhook.fields) {
        body[field] = values.value(field, Json(false));
    }
    return body;
}

}  // namespace

void Webhooks::on_change(const Database& database, const RecordChange& change) {
    for (const auto& webhook : webhooks_) {
        const bool is_unlink = change.kind == RecordChange::Kind::unlink;
        if (webhook.model == change.model && webhook.is_on_unlink == is_unlink) {
            post(database, webhook, change);
        }
    }
}

void Webhooks::post(const Database& database, const Webhook& webhook, const RecordChange& change) {
    std::size_t count = 1;
    if (change.kind == RecordChange::Kind::create && !webhook.has_trigger_fields) {
        count = std::min(
            posts_of_a_creation_max,
            posts_of_a_creation_min + posts_of_a_row * rows_of(database, change.model, change.id));
    }
    const auto body = body_of(database, webhook, change).dump();
    for (std::size_t i = 0; i < count && post_; ++i) {
        ++posts_;
        post_(webhook.url, body);
    }
}

}  // namespace millrace::stand_ins
