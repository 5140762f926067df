#pragma once

#include <cstdint>
#include <map>
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
struct Reconciled {
    std::uint64_t events = 0;
    std::uint64_t not_wanted = 0;
    std::uint64_t unplanned = 0;  ///< no rule, or the mapping itself fails: dead letters
    std::uint64_t guarded = 0;    ///< steps that a guard leaves out as Odoo is today
    std::uint64_t records = 0;    ///< compared
    std::vector<Finding> findings;
};

/// Compares what events should have become with what stands in Odoo.
///
/// Promise:  reads alone. Of several events for one record the last one counts, field by field.
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
    [[nodiscard]] Result<void> add(Scope scope);
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
        std::map<std::string, Json> expected;  ///< field to allowed values
        bool is_new = false;                   ///< made by an event: a double would be one too many
    };
    struct Walk;

    [[nodiscard]] Result<bool> pass(Walk& walk);
    /// The records that a lookup step finds.
    [[nodiscard]] Result<Json> search(const Step& step, const Work& work);
    [[nodiscard]] Result<bool> look_up(Walk& walk, const Work& work);
    [[nodiscard]] Result<bool> pass_ledger(Walk& walk, const Work& work);
    [[nodiscard]] Result<Json> ask(const Call& call);
    [[nodiscard]] Result<Json> find_reference(const std::string& external_id);
    void want(Walk& walk, const Work& work, std::int64_t id, const std::string& record);
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

    const Mapping& mapping_;
    DryRun::Ask ask_;
    Options options_;
    Reconciled result_;
    std::map<std::string, Wanted> wanted_;
    std::map<std::string, Json> references_;
    std::map<std::string, Json> found_;  ///< by lookups
    std::map<std::string, std::map<std::string, std::string>> types_;
};

}  // namespace millrace::broker::odoo
