#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/stand_ins/odoo_calls.hpp"

#include "broker/odoo/ledger/action_code.hpp"

// The ledger's action in the stand-in, as its code was tried on a real Odoo 18.

namespace millrace::stand_ins {
namespace {

using namespace std::chrono_literals;
using broker::odoo::action_code;

class OdooLedger : public testing::Test {
  protected:
    explicit OdooLedger(const SimulatorOptions& options = {}) : odoo(options) {
        product = odoo.create("product.product", {{"name", "Nut"}});
        const auto shelf = odoo.create("stock.location", {{"name", "Shelf"}});
        quant = odoo.create("stock.quant",
                            {{"product_id", product},
                             {"location_id", shelf},
                             {"inventory_quantity_auto_apply", 10}});
        install({"stock.scrap.action_validate"});
    }
    void install(const broker::odoo::LedgerMethods& methods) {
        auto& database = odoo.simulator.database();
        database.begin();
        action = database.create("ir.actions.server",
                                 {{"name", "Millrace ledger"},
                                  {"model_id", 1},
                                  {"state", "code"},
                                  {"code", action_code(methods)}});
        database.commit();
    }
    [[nodiscard]] Json scrap(const std::string& marker, const Json& quantity) const {
        return {{"id", marker},
                {"steps",
                 {{{"name", "scrap"},
                   {"marker", marker + "__scrap"},
                   {"model", "stock.scrap"},
                   {"method", "create"},
                   {"values", {{"product_id", product}, {"scrap_qty", quantity}}}},
                  {{"name", ""},
                   {"marker", marker + "__done"},
                   {"model", "stock.scrap"},
                   {"method", "action_validate"},
                   {"id", {{"millrace_step", "scrap"}}},
                   {"expect", {{"state", Json::array({"done"})}}}}}}};
    }
    [[nodiscard]] Json running(const Json& events) const {
        return OdooCalls::arguments(
            "ir.actions.server", "run", on(action), {{"context", {{"millrace_events", events}}}});
    }
    Json run(const Json& events) {
        const auto reply = odoo.execute(running(events));
        odoo.end(reply);
        return OdooCalls::result_of(reply).at("millrace");
    }
    /// The next validation of a scrap, after so many that pass, raises an error.
    void raise_in_validation(const std::string& name, int after = 0) {
        (void)odoo.control("next",
                           {{"model", "stock.scrap"},
                            {"method", "action_validate"},
                            {"class", name},
                            {"after", after}});
    }
    Json stock() { return odoo.value_of("stock.quant", quant, "quantity"); }
    Json scraps() { return odoo.call("stock.scrap", "search_count", list({Json::array()})); }

    OdooCalls odoo;
    Json product;
    Json quant;
    Json action;
};

TEST_F(OdooLedger, RepeatIsADuplicateWithStockUnchanged) {
    const auto first = run(list({scrap("e1", 3)})).at(0);
    EXPECT_EQ(first.at("status"), "ok");
    EXPECT_EQ(stock(), 7);
    const auto again = run(list({scrap("e1", 3)})).at(0);
    EXPECT_EQ(again.at("status"), "duplicate");
    EXPECT_EQ(again.at("ids").at("scrap"), first.at("ids").at("scrap"));
    EXPECT_EQ(stock(), 7);
    EXPECT_EQ(scraps(), 1);
}

TEST_F(OdooLedger, BadEventStaysAloneAndLeavesNothing) {
    const auto answers = run(list({scrap("e1", 2), scrap("e2", "many"), scrap("e3", 3)}));
    EXPECT_EQ(answers.at(0).at("status"), "ok");
    EXPECT_EQ(answers.at(1).at("status"), "error");
    EXPECT_EQ(answers.at(1).at("class"), "ValueError");
    EXPECT_EQ(answers.at(2).at("status"), "ok");
    EXPECT_EQ(scraps(), 2);
    EXPECT_EQ(stock(), 5);
}

TEST_F(OdooLedger, WizardIsAnErrorAndTheRecordIsNotLeftBehind) {
    const auto answer = run(list({scrap("e1", 99)})).at(0);
    EXPECT_EQ(answer.at("class"), "MillraceUnexpected");
    EXPECT_EQ(scraps(), 0);
    EXPECT_EQ(run(list({scrap("e1", 4)})).at(0).at("status"), "ok") << "no marker stayed";
}

TEST_F(OdooLedger, MethodThatTheCodeDoesNotNameIsNotCalled) {
    install({"mrp.production.button_mark_done"});
    EXPECT_EQ(run(list({scrap("e1", 1)})).at(0).at("class"), "MillraceUnknownMethod");
    EXPECT_EQ(stock(), 10);
}

TEST_F(OdooLedger, ConflictUndoesTheWholeCall) {
    odoo.simulator.set_mode(Mode::conflict, 1, std::chrono::milliseconds(0));
    EXPECT_EQ(OdooCalls::error_in(odoo.execute(running(list({scrap("e1", 1)})))),
              "psycopg2.errors.SerializationFailure");
    odoo.simulator.set_mode(Mode::up, 1, std::chrono::milliseconds(0));
    EXPECT_EQ(scraps(), 0);
}

TEST_F(OdooLedger, ConflictInsideUndoesWhatEarlierEventsDid) {
    raise_in_validation("psycopg2.errors.SerializationFailure", 1);
    const auto both = list({scrap("e1", 1), scrap("e2", 2)});
    EXPECT_EQ(OdooCalls::error_in(odoo.execute(running(both))),
              "psycopg2.errors.SerializationFailure");
    EXPECT_EQ(stock(), 10);
    EXPECT_EQ(scraps(), 0);
    for (const auto& answer : run(both)) {
        EXPECT_EQ(answer.at("status"), "ok") << "no marker stayed";
    }
    EXPECT_EQ(stock(), 7);
}

TEST_F(OdooLedger, ClassesThatTheCodeTakesForConflictsFailTheCallAndOthersTheEvent) {
    for (const char* name : {"psycopg2.errors.SerializationFailure",
                             "psycopg2.errors.DeadlockDetected",
                             "psycopg2.errors.LockNotAvailable",
                             "psycopg2.InterfaceError",
                             "psycopg2.extensions.TransactionRollbackError",
                             "psycopg2.errors.InFailedSqlTransaction",
                             "psycopg2.OperationalError",
                             "psycopg2.errors.AdminShutdown"}) {
        raise_in_validation(name);
        EXPECT_EQ(OdooCalls::error_in(odoo.execute(running(list({scrap("e1", 1)})))), name);
    }
    raise_in_validation("psycopg2.errors.UniqueViolation");
    EXPECT_EQ(run(list({scrap("e1", 1)})).at(0).at("class"), "UniqueViolation");
    EXPECT_EQ(scraps(), 0);
}

TEST_F(OdooLedger, RelationIsAsExpectedByItsIdOrItsName) {
    auto outcome = [&, number = 0](const Json& wanted) mutable {
        auto event = scrap("e" + std::to_string(++number), 1);
        event["steps"][1]["expect"] = {{"product_id", Json::array({wanted})}};
        return run(list({event})).at(0);
    };
    EXPECT_EQ(outcome(product).at("status"), "ok");
    EXPECT_EQ(outcome("Nut").at("status"), "ok");
    EXPECT_EQ(outcome("Bolt").at("class"), "MillraceUnexpected");
    EXPECT_EQ(outcome(99).at("class"), "MillraceUnexpected");
    EXPECT_EQ(stock(), 8);
}

class OdooLedgerRace : public OdooLedger {
  protected:
    OdooLedgerRace() : OdooLedger({.latency = Latency::measured}) {}
};

TEST_F(OdooLedgerRace, SixAtATimeApplyOnceAndTheLosersSeeAUniqueViolation) {
    const auto event = list({scrap("e1", 1)});
    std::vector<HttpReply> replies(6);
    for (auto& reply : replies) {
        reply = odoo.execute(running(event));
    }
    std::vector<std::string> outcomes;
    for (const auto& reply : replies) {
        odoo.end(reply);
        const auto answer = OdooCalls::result_of(reply).at("millrace").at(0);
        outcomes.push_back(answer.value("class", answer.at("status").get<std::string>()));
    }
    EXPECT_EQ(std::ranges::count(outcomes, "ok"), 1);
    EXPECT_EQ(std::ranges::count(outcomes, "UniqueViolation"), 5);
    EXPECT_EQ(stock(), 9);
    EXPECT_EQ(scraps(), 1);
    EXPECT_EQ(run(event).at(0).at("status"), "duplicate") << "sent again";
}

TEST_F(OdooLedger, OldMarkersAreForgottenAndOthersStay) {
    (void)run(list({scrap("old", 1)}));
    odoo.clock.advance(std::chrono::hours(1));
    (void)run(list({scrap("new", 1)}));
    const auto forgotten =
        odoo.call("ir.actions.server",
                  "run",
                  on(action),
                  {{"context", {{"millrace_forget_before", "2023-11-14 22:13:30"}}}});
    EXPECT_EQ(forgotten.at("forgotten"), 2);
    EXPECT_EQ(run(list({scrap("new", 1)})).at(0).at("status"), "duplicate");
    EXPECT_EQ(run(list({scrap("old", 1)})).at(0).at("status"), "ok");
}

TEST_F(OdooLedger, OnlyAnAdministratorChangesServerActions) {
    EXPECT_EQ(odoo.error_of("ir.actions.server", "write", list({list({action}), {{"code", ""}}})),
              "odoo.exceptions.AccessError");
    EXPECT_EQ(odoo.error_of("ir.actions.server", "unlink", on(action)),
              "odoo.exceptions.AccessError");
}

TEST(OdooConcurrency, TwoWorkersOnOneRecordAreCounted) {
    OdooCalls odoo;
    const auto count = [&] {
        const auto reply = odoo.simulator.answer({.method = "GET", .target = "/sim/stats"});
        return Json::parse(reply.body).at("concurrent_writes").get<int>();
    };
    const auto write = [&](const char* name) {
        return odoo.execute(list({"plant",
                                  2,
                                  "demo-key",
                                  "res.partner",
                                  "load",
                                  list({list({"id", "name"}), list({list({name, "x"})})}),
                                  Json::object()}));
    };
    const auto first = write("a");
    const auto other = write("b");
    EXPECT_EQ(count(), 0);
    const auto second = write("a");
    EXPECT_EQ(count(), 1);
    (void)odoo.simulator.end(first);
    (void)odoo.simulator.end(second);
    (void)odoo.simulator.end(other);
    (void)odoo.simulator.end(write("a"));
    EXPECT_EQ(count(), 1);
}

class OdooJson2 : public testing::Test {
  protected:
    OdooJson2() : odoo({.version = 19}) {}
    HttpReply post(const std::string& path, const Json& body, const char* key = "demo-key") {
        return odoo.simulator.answer({.method = "POST",
                                      .target = "/json/2/" + path,
                                      .content_type = "application/json",
                                      .body = body.dump(),
                                      .authorization = std::string("bearer ") + key,
                                      .database = "plant"});
    }
    OdooCalls odoo;
};

TEST_F(OdooJson2, NamedArgumentsDoTheSame) {
    const auto created = post("res.partner/create", {{"vals_list", {{{"name", "A"}}}}});
    EXPECT_EQ(created.status, 200U);
    EXPECT_EQ(created.body, "[1]");
    EXPECT_EQ(post("res.partner/write", {{"ids", {1}}, {"vals", {{"name", "B"}}}}).body, "true");
    EXPECT_EQ(post("res.partner/read", {{"ids", {1}}, {"fields", {"name"}}}).body,
              R"([{"id":1,"name":"B"}])");
}

TEST_F(OdooJson2, ModesStrikeAsOverJsonRpc) {
    const auto create = [&](Mode mode) {
        odoo.simulator.set_mode(mode, 1, 0ms);
        return post("res.partner/create", {{"vals_list", {{{"name", "A"}}}}});
    };
    const auto count = [&] {
        odoo.simulator.set_mode(Mode::up, 1, 0ms);
        return post("res.partner/search_count", {{"domain", Json::array()}}).body;
    };
    EXPECT_TRUE(create(Mode::worker_killed).is_dropped);
    EXPECT_EQ(create(Mode::pool_full).status, 500U);
    EXPECT_EQ(count(), "0");
    EXPECT_TRUE(create(Mode::drop_after_commit).is_dropped);
    EXPECT_EQ(count(), "1");
    const auto prompt = create(Mode::up).busy;
    EXPECT_GE(create(Mode::slow).busy, prompt + 1s);
}

TEST_F(OdooJson2, ErrorsHaveAStatusAndAName) {
    EXPECT_EQ(post("res.partner/read", {}, "wrong").status, 401U);
    const auto refused = post("res.partner/create", {{"vals_list", {{{"email", "x"}}}}});
    EXPECT_EQ(refused.status, 422U);
    EXPECT_EQ(Json::parse(refused.body).at("name"), "odoo.exceptions.ValidationError");
    EXPECT_EQ(post("res.users/create", {{"vals_list", {Json::object()}}}).status, 403U);
    EXPECT_EQ(post("res.partner/unlink", {{"ids", {9}}}).status, 404U);
}

}  // namespace
}  // namespace millrace::stand_ins
