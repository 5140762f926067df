#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/stand_ins/odoo_sim/records/values.hpp"

namespace millrace::stand_ins {

using RecordId = std::int64_t;

// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
struct StoredRecord {
    Json values;
    std::string external_id;
    std::uint64_t writes = 0;  ///< how often it was created or overwritten
};

/// A change that was committed, in order.
// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
struct Change {
    std::uint64_t sequence = 0;
    std::string model;
    RecordId id = 0;
    std::string external_id;
    std::string method;  ///< create or write
    Json values;
};

/// A change as it happens, inside its transaction.
struct RecordChange {
    enum class Kind : std::uint8_t { create, write, unlink };
    std::string model;
    RecordId id = 0;
    Kind kind = Kind::write;
};

/// A transaction that has been made and that others do not see yet; 0: none.
using UnseenId = std::uint64_t;

/// What a method answers once instead of doing its work.
struct Planned {
    std::string method;  ///< with its model
    std::size_t after = 0;
    std::optional<OdooError> error;  ///< none: a wizard
};

/// Records by model and by external id, with transactions: all of a call or nothing.
///
/// Calls are made one after another, each knowing what those before it did. What only reads sees
/// no change of a transaction before its end: a `Committed` view.
class Database {
  public:
    // `name` is the model's.
    /// Throws OdooError: a UserError for a model that does not exist.
    [[nodiscard]] static const Model& model(const std::string& name);

    [[nodiscard]] RecordId create(const std::string& name, const Json& values);
    void write(const std::string& name, RecordId id, const Json& values);
    void unlink(const std::string& name, RecordId id);
    /// Whether it is there and the viewer may see it.
    [[nodiscard]] bool has(const std::string& name, RecordId id) const;
    /// Whether it is there, seen or not.
    [[nodiscard]] bool exists(const std::string& name, RecordId id) const;
    /// Throws OdooError, a MissingError, unless the viewer has it.
    void need(const std::string& name, RecordId id) const;
    /// Also of one that is hidden. Throws OdooError: a MissingError.
    [[nodiscard]] const StoredRecord& at(const std::string& name, RecordId id) const;
    [[nodiscard]] const std::map<RecordId, StoredRecord>& all(const std::string& name) const;
    /// Of those that the viewer may see.
    [[nodiscard]] std::vector<RecordId> by_name(const std::string& name,
                                                const std::string& text) const;

    void name_record(const std::string& external_id, const std::string& model, RecordId id);
    /// Model and id, or an empty model.
    [[nodiscard]] std::pair<std::string, RecordId> find(const std::string& external_id) const;
    /// What external ids are given from now on.
    void set_now(std::int64_t unix_us) { now_us_ = unix_us; }
    /// Forgets external ids of a module that were given before; at most so many. Gives the count.
    /// External ids that are older and meant.
    std::size_t forget_named(const std::function<bool(const std::string&)>& is_meant,
                             std::int64_t before_us,
                             std::size_t max);
    /// Text that other records show for this one.
    [[nodiscard]] std::string display_name(const std::string& name, RecordId id) const;

    /// Is told of every change while its transaction is open; of an end before the record is gone.
    void watch(std::function<void(const RecordChange&)> watcher) { watcher_ = std::move(watcher); }

    /// The time of a transaction's beginning becomes `write_date` of what it changes.
    void begin();
    void commit();
    void roll_back();
    /// Commits what others see from `publish` on: with a `write_date` of before.
    [[nodiscard]] UnseenId commit_unseen();
    void publish(UnseenId transaction);
    /// Whether it has changed a record that an earlier one has, which others do not see yet either:
    /// PostgreSQL holds it until that one ends.
    [[nodiscard]] bool waits(UnseenId transaction) const;
    /// Whether it was given by a transaction that others do not see yet.
    [[nodiscard]] bool is_unseen(const std::string& external_id) const {
        return unseen_names_.contains(external_id);
    }
    /// While it lives, the database is without the changes that are not seen yet.
    class Committed {
      public:
        explicit Committed(Database& database);
        ~Committed();
        Committed(const Committed&) = delete;
        Committed& operator=(const Committed&) = delete;
        Committed(Committed&&) = delete;
        Committed& operator=(Committed&&) = delete;

      private:
        using Named = std::optional<std::pair<std::string, RecordId>>;
        /// What had the name before.
        [[nodiscard]] Named name(const std::string& external_id, Named wanted);

        Database& database_;
        std::vector<std::pair<std::string, Named>> names_before_;
    };
    /// A place within a transaction, as a savepoint.
    struct Mark {
        std::size_t undo = 0;
        std::size_t pending = 0;
        std::size_t named = 0;
    };
    [[nodiscard]] Mark mark() const {
        return {.undo = undo_.size(), .pending = pending_.size(), .named = named_.size()};
    }
    void roll_back_to(const Mark& mark);
    [[nodiscard]] const std::vector<Change>& journal() const { return journal_; }
    /// Changes of the open transaction.
    [[nodiscard]] const std::vector<Change>& pending() const { return pending_; }

    /// Whose eyes the database is seen with.
    enum class Viewer : std::uint8_t { everything, user };
    void view_as(Viewer viewer) { viewer_ = viewer; }
    /// A record rule keeps users from seeing a record.
    void hide(const std::string& name, RecordId id) { hidden_.insert({name, id}); }
    void show(const std::string& name, RecordId id) { hidden_.erase({name, id}); }

    void plan(Planned planned) { plans_.push_back(std::move(planned)); }
    /// What is planned for this run of a method.
    [[nodiscard]] std::optional<Planned> take_plan(const std::string& method);

    /// Products whose every use is refused, as by a business rule.
    void refuse_product(const std::string& name) { refused_.insert(name); }
    void allow_product(const std::string& name) { refused_.erase(name); }

  private:
    using Table = std::map<RecordId, StoredRecord>;
    struct Undo {
        std::string model;
        RecordId id = 0;
        bool existed = false;
        StoredRecord before;
    };
    using Key = std::pair<std::string, RecordId>;
    /// A record as it was before transactions that are not seen yet.
    struct Unseen {
        std::optional<StoredRecord> before;
        std::size_t writers = 0;
    };
    struct UnseenTransaction {
        std::set<Key> records;
        std::vector<std::string> names;
    };
    void exchange(const Key& key, std::optional<StoredRecord>& other);
    void keep_for_undo(const std::string& model, RecordId id);
    void check(const Model& model, const Json& values) const;
    void check_unique(const Model& model, RecordId id, const Json& values) const;
    void check_hierarchy(const Model& model, RecordId id, const Json& values) const;
    void store(const Model& described, RecordId id, const Json& values);
    void tell(const RecordChange& change) const;
    void write_rows(const Field& field, RecordId id, const Json& commands);

    std::map<std::string, Table> tables_;
    std::map<std::string, RecordId> last_id_;
    std::map<std::string, std::pair<std::string, RecordId>> external_ids_;
    std::map<std::string, std::int64_t> named_at_us_;
    std::int64_t now_us_ = 0;
    std::function<void(const RecordChange&)> watcher_;
    std::set<std::string> refused_;
    std::vector<Planned> plans_;
    Viewer viewer_ = Viewer::everything;
    std::set<std::pair<std::string, RecordId>> hidden_;
    std::vector<Change> journal_;
    std::vector<Change> pending_;
    std::vector<Undo> undo_;
    std::vector<std::string> named_;
    std::map<Key, Unseen> unseen_;
    std::multiset<std::string> unseen_names_;
    std::map<UnseenId, UnseenTransaction> unseen_transactions_;
    UnseenId last_unseen_ = 0;
};

}  // namespace millrace::stand_ins
