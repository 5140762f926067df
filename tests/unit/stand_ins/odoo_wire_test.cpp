#include <gtest/gtest.h>

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
