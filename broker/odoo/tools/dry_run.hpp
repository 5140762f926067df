#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/odoo/plan/calls.hpp"
#include "broker/odoo/plan/scope.hpp"

namespace millrace::broker::odoo {

/// One call that an event would lead to, or that was made to read.
struct TriedCall {
    std::string step;  ///< its name or number
    std::string place;
    Call call;
    std::string note;  ///< what is assumed, found, or expected
};
/// What would become of an event.
struct Tried {
    std::string outcome;  ///< applied, not_wanted, or the cause of a fault
    std::string error;
    std::string event_id;
    std::vector<std::string> lanes;
    std::vector<TriedCall> calls;
};

/// Shows what a mapping makes of events, without changing anything.
///
/// Promise:  `ask` gets reads alone: lookups, the state that calls are judged by, the fields of
///           models. Without it ids are assumed, and whatever a step names is there.
class DryRun {
  public:
    using Ask = std::function<Reply(const Call&)>;

    DryRun(const Mapping& mapping, Ask ask) : mapping_(mapping), ask_(std::move(ask)) {}

    [[nodiscard]] Tried run(Scope scope);

  private:
    struct State;
    /// Of a model, as Odoo has told once.
    // NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
    struct Known {
        std::optional<Fault> fault;
        Json fields;
    };
    [[nodiscard]] bool pass(State& state);
    [[nodiscard]] bool pass_block(State& state);
    [[nodiscard]] const Known& known_of(const std::string& model);
    /// What Odoo does not know of a step: its model, or fields of it.
    [[nodiscard]] std::optional<Fault> unknown_in(const Step& step);
    [[nodiscard]] bool look_up(State& state, const Work& work);
    void write(State& state, const Work& work);
    [[nodiscard]] Json assume(const std::vector<std::string>& fields);
    [[nodiscard]] std::string note_of(const Step& step, const Work& work);

    const Mapping& mapping_;
    Ask ask_;
    std::int64_t last_assumed_ = 0;
    std::map<std::string, Known> known_;
};

}  // namespace millrace::broker::odoo
