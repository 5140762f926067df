#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "tests/stand_ins/odoo_sim/business/contention.hpp"
#include "tests/stand_ins/odoo_sim/business/identities.hpp"
#include "tests/stand_ins/odoo_sim/business/webhooks.hpp"
#include "tests/stand_ins/odoo_sim/records/database.hpp"
#include "tests/stand_ins/odoo_sim/records/methods.hpp"

#include "storage/base/clock.hpp"
#include "storage/base/random.hpp"

namespace millrace::stand_ins {

enum class Mode {
    up,
    down,
    slow,
    conflict,
    late_conflict,  ///< as Odoo gives up: 16 to 19 s later, the worker held meanwhile
    database_down,
    out_of_slots,  ///< PostgreSQL takes no more connections
    pool_full,
    drop_after_commit,
    worker_killed,  ///< the connection ends without an answer and nothing stays
};
enum class Latency { none, measured };

struct SimulatorOptions {
    std::string database = "plant";
    std::string login = "millrace";
    std::string key = "demo-key";
    std::string administrator = "admin";  ///< may change server actions
    std::string administrator_key = "admin-key";
    int version = 18;                 ///< from 19 on there is /json/2
    Latency latency = Latency::none;  ///< measured: contention slows calls too
    std::size_t cold_calls = 0;       ///< the first after each start, which are slow
    std::uint64_t seed = 1;
};

struct HttpRequest {
    std::string method;
    std::string target;
    std::string content_type;
    std::string body;
    std::string authorization = {};
    std::string database = {};
    std::size_t tries = 0;    ///< of Odoo itself, before this one
    std::size_t callers = 1;  ///< calls that the server has at a time, this one included
};
struct HttpReply {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::string location;
    bool is_dropped = false;             ///< close the connection without an answer
    bool takes_worker = false;           ///< waits for one of the server's workers
    std::chrono::milliseconds busy{};    ///< how long it keeps it
    std::set<std::string> written = {};  ///< records that the call changed
    std::size_t tries = 1;               ///< of Odoo itself, this one included
    std::size_t callers = 1;             ///< as the request has it
    UnseenId transaction = 0;            ///< ends, and is seen by others, when it is over
    bool is_to_repeat = false;           ///< the same worker tries again when it is free
};

/// Odoo 18 as its RPC shows it, without sockets: what a request does and what comes back.
///
/// Threads:  one at a time.
class Simulator {
  public:
    Simulator(SimulatorOptions options, const Clock& clock);

    [[nodiscard]] HttpReply answer(const HttpRequest& request);
    /// The worker has been busy with this answer for as long as it says: others see what it wrote,
    /// and it is not being written any more. Gives how long it goes on, because it met another:
    /// then `end` again.
    [[nodiscard]] std::chrono::milliseconds end(const HttpReply& reply);
    /// The server should refuse connections.
    [[nodiscard]] bool is_down() { return mode() == Mode::down; }
    void count_connection() { ++connections_; }
    [[nodiscard]] Database& database() { return database_; }
    void set_mode(Mode mode, double share, std::chrono::milliseconds duration);
    /// How webhooks leave, while their transaction is open; without it they go nowhere. What has
    /// posted ends by `end`.
    void use_webhooks(PostWebhook post) { webhooks_.use(std::move(post)); }
    /// The class of what `conflict` and `database_down` answer; empty: the usual one.
    void set_class(std::string name) { class_ = std::move(name); }

  private:
    [[nodiscard]] Mode mode();
    [[nodiscard]] HttpReply answer_odoo(const HttpRequest& request);
    [[nodiscard]] HttpReply answer_rpc(const HttpRequest& given);
    [[nodiscard]] HttpReply answer_json2(const HttpRequest& request);
    [[nodiscard]] HttpReply answer_control(const HttpRequest& request);
    [[nodiscard]] Json call_service(const Json& params, HttpReply& reply);
    [[nodiscard]] Json authenticate(const Json& arguments) const;
    [[nodiscard]] Json execute(const Json& arguments, HttpReply& reply);
    [[nodiscard]] Json run(const MethodCall& call, HttpReply& reply);
    [[nodiscard]] Json run_beside_others(const MethodCall& call, HttpReply& reply);
    /// Throws OdooError when another worker has the better of it.
    void meet_others(const MethodCall& call, HttpReply& reply);
    /// Throws OdooError: a conflict that was asked for.
    void strike_conflict(const MethodCall& call, HttpReply& reply);
    /// Throws OdooError while PostgreSQL does not answer.
    void check_postgres(HttpReply& reply);
    [[nodiscard]] const User& check_login(const Json& arguments) const;
    void check_database(const Json& name) const;
    [[nodiscard]] bool strikes();
    /// What a call gets whose worker is not there for it; nothing while workers serve.
    [[nodiscard]] std::optional<HttpReply> strike_worker();
    void slow_down(HttpReply& reply);

    [[nodiscard]] Json run_control(const std::string& path, const Json& body);
    [[nodiscard]] Json control_mode(const Json& body);
    [[nodiscard]] Json control_user(const Json& body);
    [[nodiscard]] Json control_hide(const Json& body);
    [[nodiscard]] Json control_result(const Json& body);
    [[nodiscard]] Json control_next(const Json& body);
    [[nodiscard]] Json control_records(const Json& body);
    [[nodiscard]] Json control_write(const Json& body);
    [[nodiscard]] Json control_forget(const Json& body);
    [[nodiscard]] Json control_unlink(const Json& body);
    [[nodiscard]] Json control_webhooks(const Json& body);
    /// Runs a change of a control as a transaction.
    template <class Change>
    [[nodiscard]] Json change(const Json& body, Change work);
    /// Those that have taken their time are seen from now on.
    void end_controls();
    [[nodiscard]] Json control_refuse(const Json& body);
    [[nodiscard]] Json show_records(const std::string& model) const;
    [[nodiscard]] Json show_journal(const std::string& model, std::uint64_t after) const;
    [[nodiscard]] Json show_stats() const;

    SimulatorOptions options_;
    const Clock& clock_;
    Random random_;
    Database database_;
    Webhooks webhooks_;
    Identities identities_;
    Contention contention_;
    std::map<std::string, Json> results_;  ///< of methods that were told what to answer
    std::size_t cold_calls_left_ = 0;
    Mode mode_ = Mode::up;
    double share_ = 1;
    std::string class_;
    std::multimap<SteadyTime, UnseenId> controls_;  ///< changes that take their time, by their end
    UnseenId changed_ = 0;                          ///< by the control that runs
    bool has_end_ = false;
    SteadyTime mode_ends_{};
    std::uint64_t connections_ = 0;
    std::uint64_t loads_without_utc_ = 0;
    std::chrono::milliseconds busy_{};  ///< all that workers have been
    std::map<std::string, std::uint64_t> calls_;
    std::map<std::string, std::uint64_t> errors_;
};

}  // namespace millrace::stand_ins
