#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "tests/stand_ins/odoo_sim/records/database.hpp"

namespace millrace::stand_ins {

struct User {
    RecordId id = 0;
    std::string login;
    std::string key;
    bool is_archived = false;
    bool is_key_expired = false;
    bool has_email = true;                ///< without one it can post no messages
    std::chrono::minutes utc_offset{60};  ///< of its zone, in which `load` reads datetimes
};

/// Who may call. An archived user and an expired key are refused as a wrong key is.
class Identities {
  public:
    void add(User user) { users_.push_back(std::move(user)); }
    /// Null for a user that does not exist.
    [[nodiscard]] const User* find(RecordId id) const;
    /// Whose key it is; null for nobody that may call.
    [[nodiscard]] const User* of_key(const std::string& key) const;
    /// To change it. Throws OdooError for a login that nobody has.
    [[nodiscard]] User& at(const std::string& login);

  private:
    std::vector<User> users_;
};

}  // namespace millrace::stand_ins
