#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "tests/stand_ins/odoo_sim/records/database.hpp"

#include "storage/base/random.hpp"

namespace millrace::stand_ins {

/// How often Odoo tries a call that conflicts, the first time included.
inline constexpr std::size_t tries_max = 5;

/// How the database names a conflict, by the class: empty is that of a row that another changed.
[[nodiscard]] OdooError conflict_error(const std::string& name);
[[nodiscard]] bool is_lost_race(const OdooError& error);
/// What `load` says about a conflict: a row without a class.
[[nodiscard]] Json conflict_in_load();

/// What a call is about to write, and what others must not write meanwhile: its records, the
/// product of an order that is finished, the location of a count.
[[nodiscard]] std::set<std::string> contended(const Database& database);

/// Records that calls of busy workers are writing.
///
/// Odoo runs REPEATABLE READ: of two that write one record one waits for the other's lock, or is
/// undone and tried again after a sleep, during which it keeps its worker.
class Contention {
  public:
    /// Whether a busy worker is writing one of them; counts the records.
    [[nodiscard]] bool collides(const std::set<std::string>& keys);
    void begin(const std::set<std::string>& keys);
    /// Gives whether one that met it has undone it too.
    [[nodiscard]] bool end(const std::set<std::string>& keys);
    /// Those that are writing one of them now are undone too.
    void disturb(const std::set<std::string>& keys);
    /// Records, each time that two would write it.
    [[nodiscard]] std::uint64_t concurrent_writes() const { return concurrent_writes_; }
    /// Calls that were undone to be tried again.
    [[nodiscard]] std::uint64_t repeats() const { return repeats_; }
    /// Counts a call that is undone, and says how long Odoo sleeps after so many tries.
    [[nodiscard]] std::chrono::milliseconds repeat_after(Random& random, std::size_t tries);

  private:
    struct Writers {
        std::uint64_t count = 0;
        bool is_disturbed = false;
    };
    std::map<std::string, Writers> writing_;
    std::uint64_t concurrent_writes_ = 0;
    std::uint64_t repeats_ = 0;
};

}  // namespace millrace::stand_ins
