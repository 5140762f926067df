#include <algorithm>
#include <optional>
#include <utility>

#include "tests/stand_ins/odoo_sim/records/database.hpp"

// Transactions that were made and have not ended: others see none of their changes.

namespace millrace::stand_ins {

UnseenId Database::commit_unseen() {
    const auto id = ++last_unseen_;
    auto& transaction = unseen_transactions_[id];
    transaction.names = named_;
    unseen_names_.insert(named_.begin(), named_.end());
    for (auto& undo : undo_) {  // the first of a record has what it was before
        const Key key{undo.model, undo.id};
        if (!transaction.records.insert(key).second) {
            continue;
        }
        auto& unseen = unseen_[key];
        if (unseen.writers++ == 0 && undo.existed) {
            unseen.before = std::move(undo.before);
        }
    }
    commit();
    return id;
}

void Database::publish(UnseenId transaction) {
    const auto found = unseen_transactions_.find(transaction);
    if (found == unseen_transactions_.end()) {
        return;
    }
    for (const auto& key : found->second.records) {
        const auto unseen = unseen_.find(key);
        if (--unseen->second.writers == 0) {
            unseen_.erase(unseen);
        }
    }
    for (const auto& name : found->second.names) {
        unseen_names_.erase(unseen_names_.find(name));
    }
    unseen_transactions_.erase(found);
}

bool Database::waits(UnseenId transaction) const {
    const auto mine = unseen_transactions_.find(transaction);
    if (mine == unseen_transactions_.end()) {
        return false;
    }
    return std::any_of(unseen_transactions_.begin(), mine, [&](const auto& earlier) {
        return std::ranges::any_of(mine->second.records, [&](const Key& key) {
            return earlier.second.records.contains(key);
        });
    });
}

void Database::exchange(const Key& key, std::optional<StoredRecord>& other) {
    auto& table = tables_[key.first];
    const auto found = table.find(key.second);
    std::optional<StoredRecord> mine;
    if (found != table.end()) {
        mine = std::move(found->second);
        table.erase(found);
    }
    if (other) {
        table[key.second] = *std::move(other);
    }
    other = std::move(mine);
}

Database::Committed::Committed(Database& database) : database_(database) {
    for (auto& [key, unseen] : database.unseen_) {
        database.exchange(key, unseen.before);
        const auto& table = database.tables_[key.first];
        const auto record = table.find(key.second);
        if (record != table.end() && !record->second.external_id.empty()) {
            names_before_.emplace_back(record->second.external_id,
                                       name(record->second.external_id, key));
        }
    }
    for (const auto& unseen : database.unseen_names_) {
        names_before_.emplace_back(unseen, name(unseen, std::nullopt));
    }
}

Database::Committed::~Committed() {
    for (auto& [key, unseen] : database_.unseen_) {
        database_.exchange(key, unseen.before);
    }
    while (!names_before_.empty()) {
        auto [external_id, before] = std::move(names_before_.back());
        names_before_.pop_back();
        (void)name(external_id, std::move(before));
    }
}

Database::Committed::Named Database::Committed::name(const std::string& external_id, Named wanted) {
    auto& names = database_.external_ids_;
    const auto found = names.find(external_id);
    auto before = found == names.end() ? std::nullopt : Named(found->second);
    if (wanted) {
        names[external_id] = *std::move(wanted);
    } else if (found != names.end()) {
        names.erase(found);
    }
    return before;
}

}  // namespace millrace::stand_ins
