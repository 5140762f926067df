#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/odoo/source/hint.hpp"
#include "broker/odoo/source/source_file.hpp"
#include "broker/odoo/source/source_metrics.hpp"
#include "broker/odoo/transport/transport.hpp"
#include "storage/base/clock.hpp"

namespace millrace::broker::odoo {

/// How far the sweep of a model is. Moments are Odoo's, so that no two clocks are compared.
struct SweepCursor {
    std::string from;  ///< what changed since is looked at; empty: everything
    std::string upto;  ///< the newest change when this sweep began; empty: none is under way
    std::int64_t last_id = 0;  ///< of the sweep under way
    bool operator==(const SweepCursor&) const = default;
};
using SweepCursors = std::map<std::string, SweepCursor>;  ///< by model

/// As the file of cursors has them. Errors: malformed.
[[nodiscard]] Result<SweepCursors> parse_cursors(const std::string& text);
[[nodiscard]] std::string format_cursors(const SweepCursors& cursors);

/// Publishes hints; `done` says whether they are durable.
using PublishHints = std::function<void(std::vector<SweptHint>, std::function<void(Result<void>)>)>;

/// What the sweep works with; all outlive it.
struct SweepParts {
    Transport& transport;
    const Clock& clock;
    SourceMetrics& metrics;
    PublishHints publish;
    /// Keeps the cursors; behind is harmless, ahead of what is durable is not.
    std::function<void(const SweepCursors&)> save;
    /// Asks for a call of `run` at that time; a later request replaces an earlier one.
    std::function<void(SteadyTime)> wake_at;
};

/// Looks for records that changed, by `write_date`, and makes a hint of each: what webhooks lost.
///
/// Place:    beside the webhooks, before the hints topic; what a hint leads to is no matter of its.
/// Promise:  a change that commits within `overlap` of its `write_date` becomes a hint. A cursor
///           moves when the hints before it are durable. One call a model is under way.
/// Threads:  the control thread.
/// Failure:  while Odoo is out it waits longer and longer; what Odoo refuses stops the sweep of
/// that
///           model, which is said and tried again now and then.
class Sweep {
  public:
    Sweep(const SourceFile& file, SweepCursors cursors, SweepParts parts);
    Sweep(const Sweep&) = delete;
    Sweep& operator=(const Sweep&) = delete;
    Sweep(Sweep&&) = delete;
    Sweep& operator=(Sweep&&) = delete;
    ~Sweep() = default;

    /// Begins what is due.
    void run();

  private:
    struct OfModel {
        const SourceModel* model = nullptr;
        SteadyTime due{};
        SteadyTime began_at{};        ///< the sweep under way
        SteadyTime complete_as_of{};  ///< the last one that came to its end began
        std::string newest;           ///< change that there was when it began
        SteadyTime newest_since{};
        std::string name;  ///< of the sweep under way, for its hints
        std::uint32_t failures = 0;
        bool is_busy = false;
        Gauge* lag = nullptr;
        Gauge* stopped = nullptr;
    };
    using Next = void (Sweep::*)(OfModel&, const Json&);

    void ask(OfModel& of, Json domain, Json options, Next next);
    void look(OfModel& of);
    void take_newest(OfModel& of, const Json& rows);
    void ask_page(OfModel& of);
    void take_page(OfModel& of, const Json& rows);
    void end_page(OfModel& of, std::int64_t last_id, std::size_t rows);
    void keep_cursors();
    void name_sweep(OfModel& of);
    void fail_sweep(OfModel& of, const Fault& fault);
    [[nodiscard]] SweepCursor& cursor(const OfModel& of) { return cursors_[of.model->model]; }

    const SourceFile& file_;
    SweepCursors cursors_;
    SweepCursors kept_;  ///< as they were saved last
    SweepParts parts_;
    std::map<std::string, OfModel> models_;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::broker::odoo
