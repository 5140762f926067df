#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "tests/stand_ins/odoo_sim/business/latency.hpp"
#include "tests/unit/stand_ins/odoo_calls.hpp"

// The stand-in's time against the tables that were measured on a real Odoo 18 with two workers.

namespace millrace::stand_ins {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t workers = 2;

double call_ms(const char* model, const char* method, const Json& positional) {
    const MethodCall call{.model = model, .method = method, .positional = positional};
    return static_cast<double>(measured_latency(call).count());
}

struct SpeedRow {
    const char* what;
    const char* model;
    const char* method;
    std::array<double, 4> per_second;  ///< by 1, 10, 100 and 1000 a call
};

TEST(OdooSpeed, RecordsASecondAreThoseOfTheTable) {
    constexpr std::array rows{
        SpeedRow{"partner create", "res.partner", "create", {25, 166, 392, 513}},
        SpeedRow{"partner load", "res.partner", "load", {9, 94, 294, 571}},
        SpeedRow{"downtime create", "mrp.workcenter.productivity", "create", {40, 224, 522, 609}}};
    constexpr double tolerance = 0.1;
    for (const auto& row : rows) {
        SCOPED_TRACE(row.what);
        std::size_t records = 1;
        for (const auto per_second : row.per_second) {
            const Json data = std::vector<std::vector<std::string>>(records, {"P"});
            const auto positional =
                row.method == std::string("load") ? list({list({"name"}), data}) : list({data});
            const auto ms = call_ms(row.model, row.method, positional);
            EXPECT_NEAR(
                1'000 * static_cast<double>(records) / ms, per_second, tolerance * per_second)
                << records;
            records *= 10;
        }
    }
}

TEST(OdooSpeed, ARowIsReadInTwentyMilliseconds) {
    EXPECT_NEAR(call_ms("res.users", "read", list({list({2}), list({"login"})})), 20, 1);
    EXPECT_NEAR(call_ms("res.partner", "search_read", list({Json::array()})), 20, 1);
}

TEST(OdooSpeed, WholeOrdersASecondAreThoseOfTheTable) {
    const auto orders_per_second = [](std::size_t orders) {
        const auto ms = [&](const char* method, const Json& of_each) {
            return call_ms("mrp.production", method, list({std::vector<Json>(orders, of_each)}));
        };
        const auto whole =
            ms("create", Json::object()) + ms("action_confirm", 1) + ms("button_mark_done", 1);
        return 1'000 * static_cast<double>(orders) / whole;
    };
    EXPECT_NEAR(orders_per_second(1), 3.3, 0.3);
    EXPECT_NEAR(orders_per_second(10), 11, 1);
    EXPECT_NEAR(orders_per_second(50), 12, 3);
}

TEST(OdooSpeed, WhatDoesBusinessOrPostsIsNoPlainRead) {
    const auto read = call_ms("mrp.production", "read", on(1));
    for (const char* method : {"set_qty_producing", "action_set_won", "button_start"}) {
        EXPECT_GT(call_ms("mrp.production", method, on(1)), 5 * read) << method;
    }
    EXPECT_NEAR(call_ms("stock.picking", "message_post", on(1)), 40, 2);
}

/// Events a second through the ledger, of such steps and by so many a call.
double events_per_second(const std::vector<std::string>& methods, std::size_t events) {
    Json steps = Json::array();
    for (const auto& method : methods) {
        steps.push_back({{"method", method}});
    }
    const Json all = std::vector<Json>(events, {{"steps", steps}});
    const MethodCall call{.model = "ir.actions.server",
                          .method = "run",
                          .positional = on(1),
                          .keyword = {{"context", {{"millrace_events", all}}}}};
    return 1'000 * static_cast<double>(events) /
           static_cast<double>(measured_latency(call).count());
}

TEST(OdooSpeed, LedgerTakesTenToTwentyOneEventsASecond) {
    const std::vector<std::string> scrap{"create", "action_validate"};
    const std::vector<std::string> finish{"button_mark_done"};
    const std::vector<std::string> order{"create", "action_confirm", "button_mark_done"};
    constexpr double tolerance = 1;
    for (const auto& methods : {scrap, finish, order}) {
        for (const std::size_t events : {1U, 10U, 50U}) {
            EXPECT_GE(events_per_second(methods, events), 10 - tolerance) << methods.back();
            EXPECT_LE(events_per_second(methods, events), 21 + tolerance) << methods.back();
        }
    }
}

struct Span {
    std::chrono::milliseconds began{};
    std::chrono::milliseconds ended{};
};

struct Loaded {
    std::vector<std::vector<Span>> calls;         ///< by connection, in order
    std::vector<std::chrono::milliseconds> took;  ///< by all, sorted
    std::size_t failed = 0;
    [[nodiscard]] std::chrono::milliseconds p50() const { return took.at(took.size() / 2); }
    [[nodiscard]] std::chrono::milliseconds max() const { return took.back(); }
    [[nodiscard]] double per_second(std::chrono::seconds span) const {
        return static_cast<double>(took.size() - failed) / static_cast<double>(span.count());
    }
    /// The longest that so many calls of a connection took together.
    [[nodiscard]] std::chrono::milliseconds worst_of(std::size_t together) const {
        std::chrono::milliseconds worst{};
        for (const auto& of_one : calls) {
            for (std::size_t i = together - 1; i < of_one.size(); i += together) {
                worst = std::max(worst, of_one[i].ended - of_one[i + 1 - together].began);
            }
        }
        return worst;
    }
};

using NextCall = std::function<Json()>;

/// Connections that call one after another for a while; those for whom there is no worker wait. All
/// in the time that the stand-in says.
class Load {
  public:
    Load(OdooCalls& odoo, std::vector<NextCall> connections)
        : odoo_(odoo), next_(std::move(connections)), callers_(next_.size()) {
        loaded_.calls.resize(next_.size());
        for (std::size_t number = 0; number < next_.size(); ++number) {
            wait(number);
        }
    }

    Loaded run(std::chrono::seconds span) {
        for (;;) {
            while (busy_.size() < workers && !waiting_.empty()) {
                busy_.push_back(waiting_.front());
                waiting_.pop_front();
                callers_.at(busy_.back()).ends = now_;
                answer(callers_.at(busy_.back()));
            }
            const auto first = std::ranges::min_element(
                busy_, {}, [&](std::size_t number) { return callers_.at(number).ends; });
            now_ = callers_.at(*first).ends;
            if (now_ >= span) {
                std::ranges::sort(loaded_.took);
                return loaded_;
            }
            if (!goes_on(callers_.at(*first))) {
                const auto number = *first;
                busy_.erase(first);
                end(number);
                wait(number);
            }
        }
    }

  private:
    struct Caller {
        std::chrono::milliseconds began{};
        std::chrono::milliseconds ends{};
        HttpRequest request{};
        HttpReply reply{};
    };

    void wait(std::size_t number) {
        auto& caller = callers_.at(number);
        caller.began = now_;
        caller.request = OdooCalls::request("object", "execute_kw", next_.at(number)());
        caller.request.callers = callers_.size();
        waiting_.push_back(number);
    }
    void answer(Caller& caller) {
        caller.reply = odoo_.simulator.answer(caller.request);
        caller.ends += caller.reply.busy;
    }
    /// Whether the same worker keeps it: it was undone, or Odoo tries again.
    bool goes_on(Caller& caller) {
        caller.reply.busy = odoo_.simulator.end(caller.reply);
        caller.reply.written.clear();
        if (caller.reply.busy.count() > 0) {
            caller.ends += caller.reply.busy;
            return true;
        }
        caller.request.tries = caller.reply.tries;
        if (caller.reply.is_to_repeat) {
            answer(caller);
            return true;
        }
        return false;
    }
    void end(std::size_t number) {
        const auto& caller = callers_.at(number);
        loaded_.calls.at(number).push_back({.began = caller.began, .ended = now_});
        loaded_.took.push_back(now_ - caller.began);
        loaded_.failed += OdooCalls::error_in(caller.reply).empty() ? 0U : 1U;
    }

    OdooCalls& odoo_;
    std::vector<NextCall> next_;
    std::vector<Caller> callers_;
    std::vector<std::size_t> busy_;
    std::deque<std::size_t> waiting_;
    std::chrono::milliseconds now_{};
    Loaded loaded_;
};

Loaded load_with(OdooCalls& odoo,
                 const std::vector<NextCall>& connections,
                 std::chrono::seconds span) {
    return Load(odoo, connections).run(span);
}

/// Records a second by a hundred a call.
double hundreds_per_second(const char* method, std::size_t connections) {
    constexpr std::size_t rows = 100;
    constexpr auto span = 20s;
    OdooCalls odoo({.latency = Latency::measured});
    const auto call = [&] {
        const auto positional =
            method == std::string("load")
                ? list({list({"name"}), std::vector<std::vector<std::string>>(rows, {"P"})})
                : list({std::vector<Json>(rows, {{"name", "P"}})});
        return OdooCalls::arguments("res.partner", method, positional);
    };
    return rows * load_with(odoo, std::vector<NextCall>(connections, call), span).per_second(span);
}

TEST(OdooSpeed, LoadsAreFastestOnTwoConnectionsAndSlowerOnFour) {
    struct SharedSpeed {
        const char* method;
        std::size_t connections;
        double per_second;
    };
    constexpr std::array rows{SharedSpeed{"create", 1, 392},
                              SharedSpeed{"create", 2, 871},
                              SharedSpeed{"create", 4, 939},
                              SharedSpeed{"load", 1, 294},
                              SharedSpeed{"load", 2, 950},
                              SharedSpeed{"load", 4, 632}};
    constexpr double tolerance = 0.1;
    for (const auto& row : rows) {
        EXPECT_NEAR(hundreds_per_second(row.method, row.connections),
                    row.per_second,
                    tolerance * row.per_second)
            << row.method << " on " << row.connections;
    }
}

Loaded write_one_record_with(std::size_t connections) {
    OdooCalls odoo({.latency = Latency::measured});
    (void)odoo.create("res.partner", {{"name", "P"}});
    const auto write = [] {
        return OdooCalls::arguments("res.partner", "write", list({list({1}), {{"name", "Q"}}}));
    };
    return load_with(odoo, std::vector<NextCall>(connections, write), 5s);
}

/// Orders that are created, confirmed and done, each connection with its product.
Loaded finish_orders(const std::vector<int>& products, std::chrono::seconds span) {
    OdooCalls odoo({.latency = Latency::measured});
    for (const char* name : {"Nut", "Bolt"}) {
        (void)odoo.create("product.product", {{"name", name}});
    }
    std::size_t orders = 0;
    std::vector<NextCall> connections;
    connections.reserve(products.size());
    for (const auto product : products) {
        connections.emplace_back([&orders, product, order = 0U, step = 0]() mutable {
            constexpr std::array methods{"create", "action_confirm", "button_mark_done"};
            const auto* const method = methods.at(static_cast<std::size_t>(step));
            order = step == 0 ? static_cast<unsigned>(++orders) : order;
            const auto about = step == 0 ? list({{{"product_id", product}}}) : on(order);
            step = (step + 1) % 3;
            return OdooCalls::arguments("mrp.production", method, about);
        });
    }
    return load_with(odoo, connections, span);
}

TEST(OdooSpeed, OneRecordOfManyWritersIsFastInTheMiddleAndSlowAtWorst) {
    struct Writers {
        std::size_t connections;
        double p50_ms;
        double max_ms;
    };
    constexpr std::array rows{
        Writers{1, 25, 31}, Writers{2, 26, 868}, Writers{4, 79, 1'472}, Writers{8, 134, 1'829}};
    for (const auto& row : rows) {
        const auto many = write_one_record_with(row.connections);
        const auto p50_ms = static_cast<double>(many.p50().count());
        const auto max_ms = static_cast<double>(many.max().count());
        EXPECT_NEAR(p50_ms, row.p50_ms, 0.35 * row.p50_ms) << row.connections;
        EXPECT_GE(max_ms, row.max_ms / 2) << row.connections;
        EXPECT_LE(max_ms, row.max_ms * 2) << row.connections;
    }
}

TEST(OdooSpeed, OrdersOfOneProductAreSlowerOnTwoConnectionsAndOfTwoProductsFaster) {
    constexpr auto span = 50s;
    const auto per_second = [&](const Loaded& loaded) { return loaded.per_second(span) / 3; };
    EXPECT_NEAR(per_second(finish_orders({1}, span)), 3.3, 0.3);
    EXPECT_NEAR(per_second(finish_orders({1, 2}, span)), 6.3, 0.6);
    const auto together = finish_orders({1, 1}, span);
    EXPECT_NEAR(per_second(together), 2.0, 0.6);
    const auto worst_ms = static_cast<double>(together.worst_of(3).count());
    EXPECT_NEAR(worst_ms, 8'600, 4'300);
}

TEST(OdooSpeed, CountsInOneLocationCollideThoughTheProductsDiffer) {
    OdooCalls odoo({.latency = Latency::measured});
    for (int number = 0; number < 2; ++number) {
        (void)odoo.create("product.product", {{"name", std::to_string(number)}});
        (void)odoo.create("stock.location", {{"name", std::to_string(number)}});
    }
    const auto count = [](int product, int location) {
        return [=] {
            return OdooCalls::arguments("stock.quant",
                                        "create",
                                        list({{{"product_id", product},
                                               {"location_id", location},
                                               {"inventory_quantity_auto_apply", 5}}}),
                                        {{"context", {{"inventory_mode", true}}}});
        };
    };
    const auto apart = load_with(odoo, {count(1, 1), count(2, 2)}, 20s);
    EXPECT_EQ(apart.p50(), apart.max());
    const auto together = load_with(odoo, {count(1, 1), count(2, 1)}, 20s);
    EXPECT_GT(together.max(), 2 * apart.max());
}

TEST(OdooSpeed, SleepsOfACallThatIsTriedAgainGrowUntilItFailsWithAConflict) {
    OdooCalls odoo({.latency = Latency::measured});
    const auto write = [](std::size_t tries) {
        auto request = OdooCalls::request(
            "object",
            "execute_kw",
            OdooCalls::arguments("res.partner", "write", list({list({1}), {{"name", "Q"}}})));
        request.tries = tries;
        return request;
    };
    (void)odoo.create("res.partner", {{"name", "P"}});
    (void)odoo.simulator.answer(write(0));  // whose worker stays busy
    bool has_repeated = false;
    bool has_failed = false;
    for (int trial = 0; trial < 50; ++trial) {
        const auto early = odoo.simulator.answer(write(0));
        has_repeated = has_repeated || early.is_to_repeat;
        EXPECT_LE(early.busy, 2'100ms);
        const auto last = odoo.simulator.answer(write(tries_max - 1));
        EXPECT_FALSE(last.is_to_repeat);
        has_failed =
            has_failed || OdooCalls::error_in(last) == "psycopg2.errors.SerializationFailure";
    }
    EXPECT_TRUE(has_repeated);
    EXPECT_TRUE(has_failed);
}

}  // namespace
}  // namespace millrace::stand_ins
