#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/odoo/plan/calls.hpp"
#include "broker/odoo/plan/scope.hpp"
#include "broker/odoo/tools/dry_run.hpp"
#include "broker/odoo/tools/field_compare.hpp"

namespace millrace::broker::odoo {

/// Something that is not in Odoo as the events say.
struct Finding {
    std::string kind;  ///< missing, doubled, different; failed: could not be compared
    std::string event_id;
    std::string place;  ///< topic/partition@offset
    std::string model;
    std::string record;  ///< external id, marker, or model's id
    std::string detail;
};
/// Steps of which Odoo cannot be asked whether they were done.
struct Unverified {
    std::string place;  ///< file:line
    std::string model;
    std::string why;
    std::uint64_t steps = 0;  ///< so many events came there
};
struct Reconciled {
    std::uint64_t events = 0;
    std::uint64_t not_wanted = 0;
    std::uint64_t unplanned = 0;  ///< no rule, or the mapping itself fails: dead letters
    std::uint64_t guarded =
        0;  ///< steps that a guard leaves out, for the event or as Odoo is today
    std::uint64_t records = 0;  ///< compared
    std::vector<Finding> findings;
    std::vector<Unverified> unverified;
};

/// Compares what events should have become with what stands in Odoo.
///
/// Promise:  reads alone. Of several events for one record the last one counts, field by field. Of
///           a step that a guard leaves out because of what Odoo holds today, its record is looked
///           for, doubles of it, and the state that it leads to; not its fields, which are the
///           guard's to keep.
/// Cost:     a call for each record to find it, one for each hundred to read them, and at least
///           one for each to look for doubles, if asked for.
class Reconcile {
  public:
    struct Options {
        bool looks_for_doubles = true;
    };
    Reconcile(const Mapping& mapping, DryRun::Ask ask, Options options)
        : mapping_(mapping), ask_(std::move(ask)), options_(options) {}

    /// An event of the window, in the order of the log. What Odoo says against one record is a
    /// finding. Errors: Odoo or the way to it is not there.
    [[nodiscard]] Result<void> add(const Scope& scope);
    /// Compares. Errors: as above.
    [[nodiscard]] Result<Reconciled> finish();

  private:
    struct Source {
        std::string event_id;
        std::string place;
    };
    struct Wanted {
        std::string model;
        std::string record;
        std::int64_t id = 0;
        Source source;
        std::map<std::string, WantedField> fields;
        std::set<std::string> named;           ///< fields in which a double is the same
        std::map<std::string, Json> expected;  ///< field to allowed values
        bool is_new = false;                   ///< made by an event: a double would be one too many
    };
    struct Walk;
    struct Target;

    [[nodiscard]] Result<bool> pass(Walk& walk);
    [[nodiscard]] Result<bool> pass_guarded(Walk& walk);
    [[nodiscard]] Result<bool> pass_count(Walk& walk, const Work& work);
    /// The record of a step that is no lookup; null when there is none, or none can be told.
    [[nodiscard]] Result<Json> find_record(const Walk& walk, const Work& work);
    /// The record that a lookup step finds; null for none.
    [[nodiscard]] Result<Json> find(const Step& step, const Work& work);
    /// The records that a lookup step finds.
    [[nodiscard]] Result<Json> search(const Step& step, const Work& work);
    [[nodiscard]] Result<bool> look_up(Walk& walk, const Work& work);
    [[nodiscard]] Result<Json> ask(const Call& call);
    [[nodiscard]] Result<Json> find_reference(const std::string& external_id);
    void want(const Walk& walk, const Work& work, const Target& target);
    Wanted& wanted_of(const Walk& walk, const Target& target);
    void leave_unverified(const Walk& walk, const std::string& why);
    /// What the record of a step is called in findings, and in Odoo where it has a name.
    [[nodiscard]] static std::string record_name(const Walk& walk, const Work& work);
    void miss(const Walk& walk, const std::string& record);
    /// A finding about the event, at the step where it stands.
    void note(const Walk& walk, Finding finding);
    [[nodiscard]] Result<Json> read(const std::string& model, const std::vector<Wanted*>& wanted);
    [[nodiscard]] Result<void> compare(const std::string& model,
                                       const std::vector<Wanted*>& wanted);
    [[nodiscard]] Result<void> compare_one(const Wanted& wanted, const Json& record);
    [[nodiscard]] Result<void> find_doubles(const Wanted& wanted, const Json& record);
    /// How many of them are nobody's.
    [[nodiscard]] Result<std::size_t> add_doubles(const Wanted& wanted, const Json& others);
    [[nodiscard]] Result<const std::map<std::string, std::string>*> types_of(
        const std::string& model);
    void add_finding(const char* kind, const Wanted& wanted, const std::string& detail);
    /// Whether only a record or its event is concerned; all else ends the run.
    [[nodiscard]] static bool is_of_one_record(const Error& error) {
        return error.code == Errc::invalid_argument;
    }

    const Mapping& mapping_;
    DryRun::Ask ask_;
    Options options_;
    Reconciled result_;
    std::map<std::string, Wanted> wanted_;
    std::map<std::string, Json> references_;
    std::map<std::string, Json> found_;  ///< by lookups
    std::set<std::string> counted_;      ///< places whose doubled counts are told
    std::map<std::string, std::map<std::string, std::string>> types_;
};

}  // namespace millrace::broker::odoo
