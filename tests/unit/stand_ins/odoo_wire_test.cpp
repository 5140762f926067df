#include <algorithm>
#include <array>
#include <functional>

#include <gtest/gtest.h>

#include "tests/stand_ins/odoo_sim/business/latency.hpp"
#include "tests/unit/stand_ins/odoo_calls.hpp"

// The stand-in against the table of situations that was measured on a real Odoo 18.

namespace millrace::stand_ins {
namespace {

using namespace std::chrono_literals;

TEST(OdooWire, LoginGivesTheUserOrFalse) {
    OdooCalls odoo;
    const auto login = [&](const char* key) {
        return OdooCalls::result_of(odoo.service(
            "common", "authenticate", list({"plant", "millrace", key, Json::object()})));
    };
    EXPECT_EQ(login("demo-key"), 2);
    EXPECT_EQ(login("wrong"), false);
}

TEST(OdooWire, AnswersApplicationErrorsWithStatus200AndALongTraceback) {
    OdooCalls odoo;
    const auto reply =
        odoo.execute(list({"plant", 2, "demo-key", "no.model", "read", on(1), Json::object()}));
    EXPECT_EQ(reply.status, 200U);
    const auto error = Json::parse(reply.body).at("error");
    EXPECT_EQ(error.at("code"), 200);
    EXPECT_EQ(error.at("message"), "Odoo Server Error");
    EXPECT_EQ(error.at("data").at("name"), "odoo.exceptions.UserError");
    EXPECT_EQ(error.at("data").at("message"), "Object no.model doesn't exist");
    const auto traceback = error.at("data").at("debug").get<std::string>().size();
    EXPECT_GE(traceback, 2'000U);
    EXPECT_LE(traceback, 8'000U);
}

TEST(OdooWire, IdentityErrors) {
    OdooCalls odoo;
    const auto error_for = [&](const char* database, int user, const char* key) {
        return OdooCalls::error_in(odoo.execute(list({database,
                                                      user,
                                                      key,
                                                      "res.partner",
                                                      "search",
                                                      list({Json::array()}),
                                                      Json::object()})));
    };
    EXPECT_EQ(error_for("plant", 2, "wrong"), "odoo.exceptions.AccessDenied");
    EXPECT_EQ(error_for("plant", 99, "demo-key"), "odoo.exceptions.MissingError");
    EXPECT_EQ(error_for("other", 2, "demo-key"), "psycopg2.OperationalError");
    EXPECT_EQ(error_for("plant", 2, "demo-key"), "");
}

TEST(OdooWire, AccessErrors) {
    OdooCalls odoo;
    EXPECT_EQ(odoo.error_of("res.users", "create", list({{{"login", "x"}}})),
              "odoo.exceptions.AccessError");
    EXPECT_EQ(odoo.error_of("res.partner", "_compute", on(1)), "odoo.exceptions.AccessError");
}

TEST(OdooWire, MissingRecordsFailOnWriteAndAreLeftOutOnRead) {
    OdooCalls odoo;
    EXPECT_EQ(odoo.error_of("res.partner", "write", list({list({7}), {{"name", "x"}}})),
              "odoo.exceptions.MissingError");
    EXPECT_EQ(odoo.error_of("res.partner", "unlink", on(7)), "odoo.exceptions.MissingError");
    EXPECT_EQ(odoo.call("res.partner", "read", on(7)), Json::array());
}

TEST(OdooWire, WrongCallsHaveTheirClasses) {
    OdooCalls odoo;
    EXPECT_EQ(odoo.error_of("res.partner", "no_such", on(1)), "builtins.AttributeError");
    EXPECT_EQ(odoo.error_of("res.partner", "write", Json::array()), "builtins.TypeError");
}

TEST(OdooWire, ValuesThatPythonRefusesAreValueErrors) {
    OdooCalls odoo;
    const auto center = odoo.create("mrp.workcenter", {{"name", "Press"}});
    const auto loss = odoo.create("mrp.workcenter.productivity.loss", {{"name", "Breakdown"}});
    const auto downtime = [&](const char* start) {
        return odoo.error_of(
            "mrp.workcenter.productivity",
            "create",
            list({{{"workcenter_id", center}, {"loss_id", loss}, {"date_start", start}}}));
    };
    EXPECT_EQ(downtime("2026-01-02 03:04:05"), "");
    EXPECT_EQ(downtime("2026-01-02T03:04:05"), "builtins.ValueError");
    EXPECT_EQ(downtime("2026-01-02 03:04:05Z"), "builtins.ValueError");
    const auto partner = [&](const Json& more) {
        Json values{{"name", "P"}};
        values.update(more);
        return odoo.error_of("res.partner", "create", list({values}));
    };
    EXPECT_EQ(partner({{"no_such_field", 1}}), "builtins.ValueError");
    EXPECT_EQ(partner({{"type", "no such choice"}}), "builtins.ValueError");
    EXPECT_EQ(partner({{"color", "blue"}}), "builtins.ValueError");
    EXPECT_EQ(partner({{"email", std::string("a\0b", 3)}}), "builtins.ValueError");
}

TEST(OdooWire, ValuesThatTheDatabaseRefusesHaveItsClasses) {
    OdooCalls odoo;
    EXPECT_EQ(
        odoo.error_of("res.partner", "create", list({{{"name", "P"}, {"color", Json::object()}}})),
        "psycopg2.errors.InvalidTextRepresentation");
    EXPECT_EQ(odoo.error_of("res.partner", "create", list({{{"name", "P"}, {"color", 1e12}}})),
              "psycopg2.errors.NumericValueOutOfRange");
    EXPECT_EQ(odoo.error_of("res.partner", "create", list({{{"email", "a@b"}}})),
              "odoo.exceptions.ValidationError");
}

TEST(OdooWire, RefusedProductIsABusinessRuleUntilAllowed) {
    OdooCalls odoo;
    const auto product = odoo.create("product.product", {{"name", "Nut"}});
    const auto lot = [&] {
        return odoo.error_of(
            "stock.lot", "create", list({{{"name", "L1"}, {"product_id", product}}}));
    };
    odoo.simulator.database().refuse_product("Nut");
    EXPECT_EQ(lot(), "odoo.exceptions.UserError");
    odoo.simulator.database().allow_product("Nut");
    EXPECT_EQ(lot(), "");
}

TEST(OdooWire, ConflictIsAClassOutsideOfLoadAndARowInside) {
    OdooCalls odoo;
    odoo.simulator.set_mode(Mode::conflict, 1, 0ms);
    EXPECT_EQ(odoo.error_of("res.partner", "create", list({{{"name", "P"}}})),
              "psycopg2.errors.SerializationFailure");
    const auto answer =
        odoo.call("res.partner", "load", list({list({"id", "name"}), list({list({"a", "A"})})}));
    EXPECT_EQ(answer.at("ids"), false);
    EXPECT_EQ(answer.at("messages").at(0).at("message"),
              "could not serialize access due to concurrent update");
}

TEST(OdooWire, HealthPassesThoughTheDatabaseIsDown) {
    OdooCalls odoo;
    odoo.simulator.set_mode(Mode::database_down, 1, 0ms);
    EXPECT_EQ(odoo.error_of("res.partner", "read", on(1)), "psycopg2.OperationalError");
    EXPECT_EQ(odoo.simulator.answer({.method = "GET", .target = "/web/health"}).body,
              R"({"status": "pass"})");
}

TEST(OdooWire, FullPoolAndLoneSurrogateAreA500OfHtml) {
    OdooCalls odoo;
    const std::string surrogate =
        R"({"jsonrpc":"2.0","params":{"service":"object","args":["\ud800"]}})";
    EXPECT_EQ(odoo.post(surrogate).status, 500U);
    odoo.simulator.set_mode(Mode::pool_full, 1, 0ms);
    const auto reply = odoo.service("common", "version", Json::array());
    EXPECT_EQ(reply.status, 500U);
    EXPECT_EQ(reply.content_type, "text/html");
}

TEST(OdooWire, MalformedJsonAndWrongContentTypeAreA400) {
    OdooCalls odoo;
    EXPECT_EQ(odoo.post("{\"jsonrpc\":").status, 400U);
    EXPECT_EQ(odoo.post("{}", "text/plain").status, 400U);
}

TEST(OdooWire, NewInterfaceRedirects) {
    OdooCalls odoo;
    const auto reply =
        odoo.simulator.answer({.method = "POST", .target = "/json/2/res.partner/read"});
    EXPECT_EQ(reply.status, 303U);
    EXPECT_EQ(reply.location, "/web/login");
}

TEST(OdooWire, DroppedAnswerWasCommittedAnyway) {
    OdooCalls odoo;
    odoo.simulator.set_mode(Mode::drop_after_commit, 1, 0ms);
    const auto reply = odoo.execute(list({"plant",
                                          2,
                                          "demo-key",
                                          "res.partner",
                                          "create",
                                          list({{{"name", "P"}}}),
                                          Json::object()}));
    EXPECT_TRUE(reply.is_dropped);
    odoo.simulator.set_mode(Mode::up, 1, 0ms);
    EXPECT_EQ(odoo.call("res.partner", "search_count", list({Json::array()})), 1);
}

TEST(OdooWire, ModeEndsByItself) {
    OdooCalls odoo;
    odoo.simulator.set_mode(Mode::down, 1, 100ms);
    EXPECT_TRUE(odoo.simulator.is_down());
    odoo.clock.advance(100ms);
    EXPECT_FALSE(odoo.simulator.is_down());
}

TEST(OdooWire, MeasuredLatencyGrowsWithTheRecordsOfACall) {
    OdooCalls odoo({.latency = Latency::measured});
    const auto busy_ms = [&](std::size_t rows) {
        const Json positional =
            list({list({"name"}), std::vector<std::vector<std::string>>(rows, {"P"})});
        const auto reply = odoo.execute(
            list({"plant", 2, "demo-key", "res.partner", "load", positional, Json::object()}));
        return static_cast<double>(reply.busy.count());
    };
    // Records a second on one connection: 9 by ones, 294 by hundreds, 571 by thousands; +-50 %.
    EXPECT_NEAR(1'000 / busy_ms(1), 9, 4.5);
    EXPECT_NEAR(100'000 / busy_ms(100), 294, 147);
    EXPECT_NEAR(1'000'000 / busy_ms(1'000), 571, 285);
}

TEST(OdooWire, MeasuredLatencyOfWholeOrdersIsThatOfTheTable) {
    const auto orders_per_second = [](std::size_t orders) {
        const auto ms = [&](const char* method, const Json& of_each) {
            const Json positional = list({std::vector<Json>(orders, of_each)});
            const MethodCall call{
                .model = "mrp.production", .method = method, .positional = positional};
            return static_cast<double>(measured_latency(call).count());
        };
        const auto whole =
            ms("create", Json::object()) + ms("action_confirm", 1) + ms("button_mark_done", 1);
        return 1'000 * static_cast<double>(orders) / whole;
    };
    EXPECT_NEAR(orders_per_second(1), 3.3, 0.3);
    EXPECT_NEAR(orders_per_second(10), 11, 1);
    EXPECT_NEAR(orders_per_second(50), 12, 3);
}

struct Loaded {
    std::vector<std::chrono::milliseconds> took;  ///< calls, sorted
    std::size_t failed = 0;
    [[nodiscard]] std::chrono::milliseconds p50() const { return took.at(took.size() / 2); }
    [[nodiscard]] std::chrono::milliseconds max() const { return took.back(); }
    [[nodiscard]] double per_second(std::chrono::seconds span) const {
        return static_cast<double>(took.size() - failed) / static_cast<double>(span.count());
    }
};

/// A connection with its call.
struct Caller {
    std::chrono::milliseconds began{};
    std::chrono::milliseconds ends{};
    HttpRequest request{};
    HttpReply reply{};
};

/// What it had is answered; nothing of the very first counts.
void begin_call(Caller& caller, const std::function<Json()>& call, Loaded& loaded) {
    if (caller.reply.takes_worker) {
        loaded.took.push_back(caller.ends - caller.began);
        loaded.failed += OdooCalls::error_in(caller.reply).empty() ? 0U : 1U;
    }
    caller.began = caller.ends;
    caller.request = OdooCalls::request("object", "execute_kw", call());
}

/// Connections that call one after another for a while, each with a worker of its own, in the time
/// that the stand-in says.
Loaded load_with(OdooCalls& odoo,
                 const std::vector<std::function<Json()>>& connections,
                 std::chrono::seconds span) {
    std::vector<Caller> busy(connections.size());
    Loaded loaded;
    for (;;) {
        const auto next = std::ranges::min_element(busy, {}, &Caller::ends);
        if (next->ends >= span) {
            std::ranges::sort(loaded.took);
            return loaded;
        }
        next->reply.busy = odoo.simulator.end(next->reply);
        next->reply.written.clear();
        if (next->reply.busy.count() > 0) {
            next->ends += next->reply.busy;
            continue;
        }
        next->request.tries = next->reply.tries;
        if (!next->reply.is_to_repeat) {
            const auto number = static_cast<std::size_t>(next - busy.begin());
            begin_call(*next, connections.at(number), loaded);
        }
        next->reply = odoo.simulator.answer(next->request);
        next->ends += next->reply.busy;
    }
}

Loaded write_one_record_with(std::size_t connections) {
    OdooCalls odoo({.latency = Latency::measured});
    odoo.create_first("res.partner", {{"name", "P"}});
    const auto write = [] {
        return OdooCalls::arguments("res.partner", "write", list({list({1}), {{"name", "Q"}}}));
    };
    return load_with(odoo, std::vector<std::function<Json()>>(connections, write), 15s);
}

/// Orders a second that are created, confirmed and done, each connection with its product.
double orders_per_second(const std::vector<int>& products) {
    OdooCalls odoo({.latency = Latency::measured});
    for (const char* name : {"Nut", "Bolt"}) {
        odoo.create_first("product.product", {{"name", name}});
    }
    std::size_t orders = 0;
    std::vector<std::function<Json()>> connections;
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
    constexpr auto span = 50s;
    return load_with(odoo, connections, span).per_second(span) / 3;
}

TEST(OdooWire, OneRecordOfManyWritersIsFastInTheMiddleAndSlowAtWorst) {
    const auto alone = write_one_record_with(1);
    EXPECT_EQ(alone.p50(), alone.max());
    for (const std::size_t connections : {2U, 8U}) {
        const auto many = write_one_record_with(connections);
        EXPECT_LE(many.p50(), 4 * alone.p50()) << connections;
        EXPECT_GE(many.max(), 20 * alone.p50()) << connections;
    }
}

TEST(OdooWire, OrdersOfOneProductAreSlowerOnTwoConnectionsAndOfTwoProductsFaster) {
    EXPECT_NEAR(orders_per_second({1}), 3.3, 0.3);
    EXPECT_NEAR(orders_per_second({1, 1}), 2.0, 0.6);
    EXPECT_NEAR(orders_per_second({1, 2}), 6.3, 0.6);
}

TEST(OdooWire, CountsInOneLocationCollideThoughTheProductsDiffer) {
    OdooCalls odoo({.latency = Latency::measured});
    for (int number = 0; number < 2; ++number) {
        odoo.create_first("product.product", {{"name", std::to_string(number)}});
        odoo.create_first("stock.location", {{"name", std::to_string(number)}});
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

TEST(OdooWire, SleepsOfACallThatIsTriedAgainGrowUntilItFailsWithAConflict) {
    OdooCalls odoo({.latency = Latency::measured});
    const auto write = [](std::size_t tries) {
        auto request = OdooCalls::request(
            "object",
            "execute_kw",
            OdooCalls::arguments("res.partner", "write", list({list({1}), {{"name", "Q"}}})));
        request.tries = tries;
        return request;
    };
    odoo.create_first("res.partner", {{"name", "P"}});
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

TEST(OdooWire, WorkersHaveBeenBusyForAsLongAsTheirCallsTook) {
    OdooCalls odoo({.latency = Latency::measured});
    const auto busy_ms = [&] {
        const HttpRequest request{
            .method = "GET", .target = "/sim/stats", .content_type = {}, .body = {}};
        return Json::parse(odoo.simulator.answer(request).body).at("worker_busy_ms").get<int>();
    };
    const auto reply = odoo.execute(list({"plant", 2, "demo-key", "res.partner", "search_count"}));
    EXPECT_EQ(busy_ms(), 0);
    (void)odoo.simulator.end(reply);
    EXPECT_EQ(busy_ms(), reply.busy.count());
    EXPECT_GT(reply.busy.count(), 0);
}

}  // namespace
}  // namespace millrace::stand_ins
