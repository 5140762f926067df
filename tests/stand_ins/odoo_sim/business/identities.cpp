#include "tests/stand_ins/odoo_sim/business/identities.hpp"

#include <algorithm>

namespace millrace::stand_ins {

const User* Identities::find(RecordId id) const {
    const auto user = std::ranges::find(users_, id, &User::id);
    return user == users_.end() ? nullptr : &*user;
}

const User* Identities::of_key(const std::string& key) const {
    const auto user = std::ranges::find(users_, key, &User::key);
    const bool may_call = user != users_.end() && !user->is_archived && !user->is_key_expired;
    return may_call ? &*user : nullptr;
}

User& Identities::at(const std::string& login) {
    const auto user = std::ranges::find(users_, login, &User::login);
    if (user == users_.end()) {
        throw user_error("there is no user \"" + login + "\"");
    }
    return *user;
}

}  // namespace millrace::stand_ins
