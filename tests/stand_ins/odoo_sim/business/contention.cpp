#include "tests/stand_ins/odoo_sim/business/contention.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace millrace::stand_ins {
namespace {

constexpr const char* serialization_text = "could not serialize access due to concurrent update";

struct ConflictText {
    std::string_view name;
    const char* text;
};
constexpr std::array conflict_texts{
    ConflictText{"psycopg2.errors.SerializationFailure", serialization_text},
    ConflictText{"psycopg2.errors.DeadlockDetected", "deadlock detected"},
    ConflictText{"psycopg2.errors.LockNotAvailable",
                 "could not obtain lock on row in relation \"stock_quant\""},
    ConflictText{"psycopg2.errors.UniqueViolation",
                 "duplicate key value violates unique constraint "
                 "\"ir_model_data_module_name_uniq_index\""}};

/// A record, unlike what is contended beside it, has a sign of its own.
std::string record_key(const std::string& model, RecordId id) {
    return model + "#" + std::to_string(id);
}

}  // namespace

OdooError conflict_error(const std::string& name) {
    const auto known = std::ranges::find(conflict_texts, name, &ConflictText::name);
    return known == conflict_texts.end()
               ? OdooError{name.empty() ? std::string(conflict_texts.front().name) : name,
                           serialization_text}
               : OdooError{name, known->text};
}

bool is_lost_race(const OdooError& error) {
    return error.name == conflict_texts.front().name;
}

Json conflict_in_load() {
    return {{"ids", false},
            {"messages",
             {{{"type", "error"},
               {"rows", {{"from", 0}, {"to", 0}}},
               {"record", 0},
               {"message", serialization_text}}}},
            {"nextrow", 0}};
}

std::set<std::string> contended(const Database& database) {
    std::set<std::string> keys;
    for (const auto& change : database.pending()) {
        keys.insert(record_key(change.model, change.id));
        const bool books = change.model == "mrp.production" && change.values.contains("state");
        if (!database.exists(change.model, change.id) ||
            !(books || change.model == "stock.quant")) {
            continue;
        }
        const auto& values = database.at(change.model, change.id).values;
        keys.insert(books ? "stock of product " + values.at("product_id").dump()
                          : "stock in location " + values.at("location_id").dump());
    }
    return keys;
}

bool Contention::collides(const std::set<std::string>& keys) {
    bool is_shared = false;
    for (const auto& key : keys) {
        if (writing_.contains(key)) {
            is_shared = true;
            concurrent_writes_ += key.find('#') != std::string::npos ? 1U : 0U;
        }
    }
    return is_shared;
}

void Contention::begin(const std::set<std::string>& keys) {
    for (const auto& key : keys) {
        ++writing_[key].count;
    }
}

bool Contention::end(const std::set<std::string>& keys) {
    bool is_disturbed = false;
    for (const auto& key : keys) {
        const auto found = writing_.find(key);
        if (found == writing_.end()) {
            continue;
        }
        is_disturbed = std::exchange(found->second.is_disturbed, false) || is_disturbed;
        if (--found->second.count == 0) {
            writing_.erase(found);
        }
    }
    return is_disturbed;
}

void Contention::disturb(const std::set<std::string>& keys) {
    for (const auto& key : keys) {
        const auto found = writing_.find(key);
        if (found != writing_.end()) {
            found->second.is_disturbed = true;
        }
    }
}

std::chrono::milliseconds Contention::repeat_after(Random& random, std::size_t tries) {
    ++repeats_;
    constexpr double second_ms = 1'000;
    const auto seconds_max = static_cast<double>(1U << tries);
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(random.unit() * seconds_max * second_ms));
}

}  // namespace millrace::stand_ins
