#include <functional>

#include <gtest/gtest.h>

#include "tests/unit/stand_ins/odoo_calls.hpp"

#include "broker/odoo/transport/json_rpc.hpp"

// The contract with the measured server, row by row: a situation, what the wire shows, and what the
// sink makes of it.

namespace millrace::stand_ins {
namespace {

using namespace std::chrono_literals;
using broker::odoo::Cause;
using broker::odoo::Fault;

struct Row {
    const char* situation;
    std::function<HttpReply(OdooCalls&)> make;
    unsigned status;
    const char* name;  ///< the class, where there is one
    Cause cause;
};

std::function<HttpReply(OdooCalls&)> calling(const char* model,
                                             const char* method,
                                             const Json& positional) {
    return [=](OdooCalls& odoo) {
        return odoo.execute(OdooCalls::arguments(model, method, positional));
    };
}
std::function<HttpReply(OdooCalls&)> creating(const char* model, const Json& values) {
    return calling(model, "create", list({values}));
}
std::function<HttpReply(OdooCalls&)> in_mode(Mode mode, const char* name = "") {
    return [=](OdooCalls& odoo) {
        odoo.simulator.set_mode(mode, 1, 0ms);
        odoo.simulator.set_class(name);
        return odoo.execute(OdooCalls::arguments("res.partner", "create", list({{{"name", "P"}}})));
    };
}
std::function<HttpReply(OdooCalls&)> as(const char* database, int uid, const char* key) {
    return [=](OdooCalls& odoo) {
        return odoo.execute(
            list({database, uid, key, "res.partner", "read", on(1), Json::object()}));
    };
}
std::function<HttpReply(OdooCalls&)> as_user_who(const Json& change) {
    return [=](OdooCalls& odoo) {
        (void)odoo.control("user", change);
        return odoo.execute(OdooCalls::arguments("res.partner", "read", on(1)));
    };
}
/// A method of a record that a rule hides; `more` follows its id.
std::function<HttpReply(OdooCalls&)> on_hidden(const char* method, const Json& more) {
    return [=](OdooCalls& odoo) {
        const auto id = odoo.create("res.partner", {{"name", "P"}});
        (void)odoo.control("hide", {{"model", "res.partner"}, {"id", id}});
        auto positional = on(id);
        for (const auto& one : more) {
            positional.push_back(one);
        }
        return odoo.execute(OdooCalls::arguments("res.partner", method, positional));
    };
}
HttpReply create_no_quantity(OdooCalls& odoo) {
    const auto product = odoo.create("product.product", {{"name", "Nut"}});
    return odoo.execute(OdooCalls::arguments(
        "mrp.production", "create", list({{{"product_id", product}, {"product_qty", 0}}})));
}
HttpReply post_without_address(OdooCalls& odoo) {
    const auto kind = odoo.create("stock.picking.type", {{"name", "Receipts"}});
    const auto picking = odoo.create("stock.picking", {{"picking_type_id", kind}});
    (void)odoo.control("user", {{"email", false}});
    return odoo.execute(OdooCalls::arguments("stock.picking", "message_post", on(picking)));
}
std::function<HttpReply(OdooCalls&)> posting(const char* body, const char* type) {
    return [=](OdooCalls& odoo) { return odoo.post(body, type); };
}

HttpReply use_refused_product(OdooCalls& odoo) {
    const auto product = odoo.create("product.product", {{"name", "Nut"}});
    odoo.simulator.database().refuse_product("Nut");
    return odoo.execute(OdooCalls::arguments(
        "stock.lot", "create", list({{{"name", "L"}, {"product_id", product}}})));
}
HttpReply use_barcode_twice(OdooCalls& odoo) {
    const Json values{{"name", "Nut"}, {"barcode", "590"}};
    (void)odoo.create("product.product", values);
    return odoo.execute(OdooCalls::arguments("product.product", "create", list({values})));
}
HttpReply be_above_itself(OdooCalls& odoo) {
    const auto above = odoo.create("res.partner", {{"name", "A"}});
    const auto below = odoo.create("res.partner", {{"name", "B"}, {"parent_id", above}});
    return odoo.execute(OdooCalls::arguments(
        "res.partner", "write", list({list({above}), {{"parent_id", below}}})));
}

const Json partner{{"name", "P"}};
Json partner_with(const char* field, const Json& value) {
    Json values = partner;
    values[field] = value;
    return values;
}
constexpr const char* json_type = "application/json";

std::vector<Row> rows_of_identities() {
    return {
        {"wrong key",
         as("plant", 2, "wrong"),
         200,
         "odoo.exceptions.AccessDenied",
         Cause::authorization},
        {"expired key",
         as_user_who({{"key_expired", true}}),
         200,
         "odoo.exceptions.AccessDenied",
         Cause::authorization},
        {"archived user",
         as_user_who({{"archived", true}}),
         200,
         "odoo.exceptions.AccessDenied",
         Cause::authorization},
        {"uid that does not exist",
         as("plant", 99, "demo-key"),
         200,
         "odoo.exceptions.MissingError",
         Cause::authorization},
    };
}

std::vector<Row> rows_of_rights_and_calls() {
    return {
        {"no right on a model",
         creating("res.users", {{"login", "x"}}),
         200,
         "odoo.exceptions.AccessError",
         Cause::authorization},
        {"private method",
         calling("res.partner", "_compute", on(1)),
         200,
         "odoo.exceptions.AccessError",
         Cause::authorization},
        {"write of a missing record",
         calling("res.partner", "write", list({list({7}), partner})),
         200,
         "odoo.exceptions.MissingError",
         Cause::mapping},
        {"unlink of a missing record",
         calling("res.partner", "unlink", on(7)),
         200,
         "odoo.exceptions.MissingError",
         Cause::mapping},
        {"write of a hidden record",
         on_hidden("write", list({partner})),
         200,
         "odoo.exceptions.MissingError",
         Cause::mapping},
        {"unlink of a hidden record",
         on_hidden("unlink", Json::array()),
         200,
         "odoo.exceptions.MissingError",
         Cause::mapping},
        {"unknown model",
         creating("no.model", partner),
         200,
         "odoo.exceptions.UserError",
         Cause::mapping},
        {"unknown method",
         calling("res.partner", "no_such", on(1)),
         200,
         "builtins.AttributeError",
         Cause::mapping},
        {"wrong arguments",
         calling("res.partner", "write", Json::array()),
         200,
         "builtins.TypeError",
         Cause::mapping},
    };
}

std::vector<Row> rows_of_values() {
    return {
        {"unknown field",
         creating("res.partner", partner_with("no_field", 1)),
         200,
         "builtins.ValueError",
         Cause::mapping},
        {"bad selection",
         creating("res.partner", partner_with("type", "x")),
         200,
         "builtins.ValueError",
         Cause::mapping},
        {"bad number",
         creating("res.partner", partner_with("color", "blue")),
         200,
         "builtins.ValueError",
         Cause::mapping},
        {"date with T and Z",
         creating("sale.order", {{"partner_id", false}, {"date_order", "2026-01-02T03:04:05Z"}}),
         200,
         "builtins.ValueError",
         Cause::mapping},
        {"NUL in a string",
         creating("res.partner", partner_with("email", std::string("a\0b", 3))),
         200,
         "builtins.ValueError",
         Cause::mapping},
    };
}

std::vector<Row> rows_of_rules() {
    return {
        {"required field",
         creating("res.partner", {{"email", "x"}}),
         200,
         "odoo.exceptions.ValidationError",
         Cause::mapping},
        {"unique constraint",
         use_barcode_twice,
         200,
         "odoo.exceptions.ValidationError",
         Cause::mapping},
        {"python constraint",
         be_above_itself,
         200,
         "odoo.exceptions.ValidationError",
         Cause::mapping},
        {"check constraint",
         create_no_quantity,
         200,
         "odoo.exceptions.ValidationError",
         Cause::mapping},
        {"NaN",
         posting(R"({"id":1,"params":{"service":"object","args":[{"color": NaN}]}})", json_type),
         200,
         "psycopg2.errors.InvalidTextRepresentation",
         Cause::mapping},
        {"wrong type",
         creating("res.partner", partner_with("color", Json::object())),
         200,
         "psycopg2.errors.InvalidTextRepresentation",
         Cause::mapping},
        {"overflow",
         creating("res.partner", partner_with("color", 1e12)),
         200,
         "psycopg2.errors.NumericValueOutOfRange",
         Cause::mapping},
        {"business rule", use_refused_product, 200, "odoo.exceptions.UserError", Cause::mapping},
        {"message of a user without an address",
         post_without_address,
         200,
         "odoo.exceptions.UserError",
         Cause::mapping},
    };
}

std::vector<Row> rows_of_conflicts() {
    return {
        {"row conflict",
         in_mode(Mode::conflict),
         200,
         "psycopg2.errors.SerializationFailure",
         Cause::transient},
        {"deadlock",
         in_mode(Mode::conflict, "psycopg2.errors.DeadlockDetected"),
         200,
         "psycopg2.errors.DeadlockDetected",
         Cause::transient},
        {"lock not available",
         in_mode(Mode::conflict, "psycopg2.errors.LockNotAvailable"),
         200,
         "psycopg2.errors.LockNotAvailable",
         Cause::transient},
        {"row conflict after Odoo's own tries",
         in_mode(Mode::late_conflict),
         200,
         "psycopg2.errors.SerializationFailure",
         Cause::transient},
        {"loser of a race for an external id",
         in_mode(Mode::conflict, "psycopg2.errors.UniqueViolation"),
         200,
         "psycopg2.errors.UniqueViolation",
         Cause::transient},
    };
}

std::vector<Row> rows_of_the_server() {
    return {
        {"PostgreSQL out of slots",
         in_mode(Mode::out_of_slots),
         200,
         "psycopg2.OperationalError",
         Cause::outage},
        {"PostgreSQL down",
         in_mode(Mode::database_down),
         200,
         "psycopg2.OperationalError",
         Cause::outage},
        {"crash in the call",
         in_mode(Mode::database_down, "psycopg2.InterfaceError"),
         200,
         "psycopg2.InterfaceError",
         Cause::outage},
        {"unknown database",
         as("other", 2, "demo-key"),
         200,
         "psycopg2.OperationalError",
         Cause::configuration},
        {"Odoo's pool is full", in_mode(Mode::pool_full), 500, "", Cause::transient},
        {"lone surrogate",
         posting(R"({"params":{"service":"object","args":["\ud800"]}})", json_type),
         500,
         "",
         Cause::transient},
        {"malformed JSON", posting("{\"jsonrpc\":", json_type), 400, "", Cause::mapping},
        {"wrong content type", posting("{}", "text/plain"), 400, "", Cause::mapping},
    };
}

const std::vector<Row>& rows() {
    static const auto table = [] {
        std::vector<Row> all;
        for (const auto& part : {rows_of_identities(),
                                 rows_of_rights_and_calls(),
                                 rows_of_values(),
                                 rows_of_rules(),
                                 rows_of_conflicts(),
                                 rows_of_the_server()}) {
            all.insert(all.end(), part.begin(), part.end());
        }
        return all;
    }();
    return table;
}

broker::odoo::Reply classify(const HttpReply& reply) {
    return reply.status == broker::odoo::http_ok
               ? broker::odoo::parse_rpc_answer(reply.body, 1)
               : broker::odoo::classify_status(reply.status, reply.body);
}

class OdooContract : public testing::TestWithParam<std::size_t> {};

TEST_P(OdooContract, SituationShowsAsMeasuredAndHasItsCause) {
    const auto& row = rows().at(GetParam());
    SCOPED_TRACE(row.situation);
    OdooCalls odoo;
    const auto reply = row.make(odoo);
    EXPECT_EQ(reply.status, row.status);
    if (row.status == 200) {
        const auto error = Json::parse(reply.body).at("error");
        EXPECT_EQ(error.at("code"), 200);
        EXPECT_EQ(error.at("data").at("name"), row.name);
    }
    const auto outcome = classify(reply);
    const auto* const fault = std::get_if<Fault>(&outcome);
    ASSERT_NE(fault, nullptr);
    EXPECT_EQ(fault->cause, row.cause) << fault->error;
    EXPECT_EQ(fault->error.find("Traceback"), std::string::npos);
    EXPECT_EQ(fault->response.find("Traceback"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Rows, OdooContract, testing::Range(std::size_t{0}, rows().size()));

TEST(OdooContract, BusinessRuleMayPassLaterAndAnUnknownModelMayNot) {
    OdooCalls odoo;
    const auto rule = std::get<Fault>(classify(use_refused_product(odoo)));
    EXPECT_TRUE(rule.may_pass_later);
    const auto unknown =
        std::get<Fault>(classify(odoo.execute(OdooCalls::arguments("no.model", "read", on(1)))));
    EXPECT_FALSE(unknown.may_pass_later);
}

TEST(OdooContract, KilledWorkerLeavesNothingAndALostAnswerEverything) {
    OdooCalls odoo;
    EXPECT_TRUE(in_mode(Mode::worker_killed)(odoo).is_dropped);
    odoo.simulator.set_mode(Mode::up, 1, 0ms);
    EXPECT_EQ(odoo.call("res.partner", "search_count", list({Json::array()})), 0);
    EXPECT_TRUE(in_mode(Mode::drop_after_commit)(odoo).is_dropped);
    odoo.simulator.set_mode(Mode::up, 1, 0ms);
    EXPECT_EQ(odoo.call("res.partner", "search_count", list({Json::array()})), 1);
}

TEST(OdooContract, RedirectIsAMatterOfConfiguration) {
    OdooCalls odoo;
    const auto reply = odoo.simulator.answer({.method = "POST", .target = "/json/2/m/read"});
    EXPECT_EQ(std::get<Fault>(classify(reply)).cause, Cause::configuration);
}

TEST(OdooContract, LoginOfAnArchivedUserOrWithAnExpiredKeyIsFalse) {
    for (const char* change : {"archived", "key_expired"}) {
        OdooCalls odoo;
        const auto login = [&] {
            return OdooCalls::result_of(odoo.service(
                "common", "authenticate", list({"plant", "millrace", "demo-key", Json::object()})));
        };
        (void)odoo.control("user", {{change, true}});
        EXPECT_EQ(login(), false) << change;
        (void)odoo.control("user", {{change, false}});
        EXPECT_EQ(login(), 2) << change;
    }
}

TEST(OdooContract, HiddenRecordIsNeitherReadNorFoundThoughItIsThere) {
    OdooCalls odoo;
    (void)odoo.call(
        "res.partner", "load", list({list({"id", "name"}), list({list({"m.a", "A"})})}));
    (void)odoo.control("hide", {{"model", "res.partner"}, {"id", 1}});
    EXPECT_EQ(odoo.call("res.partner", "read", on(1)), Json::array());
    EXPECT_EQ(odoo.call("res.partner", "search", list({Json::array()})), Json::array());
    EXPECT_EQ(odoo.call("ir.model.data", "check_object_reference", list({"m", "a"})),
              list({"res.partner", false}));
    const auto again =
        odoo.call("res.partner", "load", list({list({"id", "name"}), list({list({"m.a", "B"})})}));
    EXPECT_EQ(again.at("ids"), false);
    (void)odoo.control("hide", {{"model", "res.partner"}, {"id", 1}, {"show", true}});
    EXPECT_EQ(odoo.value_of("res.partner", 1, "name"), "A");
}

TEST(OdooContract, SomeSuccessesAreNull) {
    OdooCalls odoo;
    const auto quant =
        odoo.create("stock.quant",
                    {{"product_id", odoo.create("product.product", {{"name", "N"}})},
                     {"location_id", odoo.create("stock.location", {{"name", "S"}})}});
    const auto outcome = classify(
        odoo.execute(OdooCalls::arguments("stock.quant", "action_apply_inventory", on(quant))));
    ASSERT_TRUE(std::holds_alternative<std::string>(outcome));
    EXPECT_EQ(std::get<std::string>(outcome), "null");
}

TEST(OdooContract, MethodAnswersAsToldOnceItHasDoneItsWork) {
    OdooCalls odoo;
    const auto order =
        odoo.create("sale.order", {{"partner_id", odoo.create("res.partner", {{"name", "P"}})}});
    const Json action{{"type", "ir.actions.act_window"}};
    for (const auto& told : {Json(), action}) {
        (void)odoo.control(
            "result", {{"model", "sale.order"}, {"method", "action_confirm"}, {"result", told}});
        EXPECT_EQ(odoo.call("sale.order", "action_confirm", on(order)), told);
        EXPECT_EQ(odoo.value_of("sale.order", order, "state"), "sale");
    }
}

TEST(OdooContract, LateConflictHoldsItsWorkerForAsLongAsOdooTries) {
    OdooCalls odoo;
    const auto late = in_mode(Mode::late_conflict)(odoo);
    EXPECT_GE(late.busy, 16s);
    EXPECT_LE(late.busy, 19s);
    const auto row = odoo.execute(
        OdooCalls::arguments("res.partner", "load", list({list({"name"}), list({list({"A"})})})));
    EXPECT_LT(row.busy, 1s);  // a conflict of load is a row, which Odoo does not try again
    EXPECT_EQ(OdooCalls::result_of(row).at("ids"), false);
}

TEST(OdooContract, FirstCallsAfterEachStartAreSlow) {
    OdooCalls odoo({.cold_calls = 2});
    const auto busy = [&] {
        return odoo.execute(OdooCalls::arguments("res.partner", "read", on(1))).busy;
    };
    for (int starts = 0; starts < 2; ++starts) {
        for (int calls = 0; calls < 2; ++calls) {
            const auto cold = busy();
            EXPECT_GE(cold, 900ms);
            EXPECT_LE(cold, 2400ms);
        }
        EXPECT_EQ(busy(), 0ms);
        odoo.simulator.set_mode(Mode::down, 1, 0ms);
        odoo.simulator.set_mode(Mode::up, 1, 0ms);
    }
}

TEST(OdooContract, DatabaseThatIsDownOrFullAnswersAtOnce) {
    OdooCalls odoo;
    for (const auto mode : {Mode::database_down, Mode::out_of_slots}) {
        const auto busy = in_mode(mode)(odoo).busy;
        EXPECT_GE(busy, 10ms);
        EXPECT_LE(busy, 20ms);
    }
}

TEST(OdooContract, ReadOfAMissingRecordIsNoError) {
    OdooCalls odoo;
    EXPECT_EQ(odoo.call("res.partner", "read", on(7)), Json::array());
}

}  // namespace
}  // namespace millrace::stand_ins
