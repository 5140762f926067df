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

Json arguments_of(const char* model, const char* method, const Json& positional) {
    return list({"plant", 2, "demo-key", model, method, positional, Json::object()});
}
std::function<HttpReply(OdooCalls&)> calling(const char* model,
                                             const char* method,
                                             const Json& positional) {
    return [=](OdooCalls& odoo) { return odoo.execute(arguments_of(model, method, positional)); };
}
std::function<HttpReply(OdooCalls&)> creating(const char* model, const Json& values) {
    return calling(model, "create", list({values}));
}
std::function<HttpReply(OdooCalls&)> in_mode(Mode mode, const char* name = "") {
    return [=](OdooCalls& odoo) {
        odoo.simulator.set_mode(mode, 1, 0ms);
        odoo.simulator.set_class(name);
        return odoo.execute(arguments_of("res.partner", "create", list({{{"name", "P"}}})));
    };
}
std::function<HttpReply(OdooCalls&)> as(const char* database, int uid, const char* key) {
    return [=](OdooCalls& odoo) {
        return odoo.execute(
            list({database, uid, key, "res.partner", "read", on(1), Json::object()}));
    };
}
std::function<HttpReply(OdooCalls&)> posting(const char* body, const char* type) {
    return [=](OdooCalls& odoo) { return odoo.post(body, type); };
}

HttpReply use_refused_product(OdooCalls& odoo) {
    const auto product = odoo.create("product.product", {{"name", "Nut"}});
    odoo.simulator.database().refuse_product("Nut");
    return odoo.execute(
        arguments_of("stock.lot", "create", list({{{"name", "L"}, {"product_id", product}}})));
}
HttpReply use_barcode_twice(OdooCalls& odoo) {
    const Json values{{"name", "Nut"}, {"barcode", "590"}};
    (void)odoo.create("product.product", values);
    return odoo.execute(arguments_of("product.product", "create", list({values})));
}

const Json partner{{"name", "P"}};
Json partner_with(const char* field, const Json& value) {
    Json values = partner;
    values[field] = value;
    return values;
}
constexpr const char* json_type = "application/json";

std::vector<Row> rows_of_rights_and_calls() {
    return {
        {"wrong key",
         as("plant", 2, "wrong"),
         200,
         "odoo.exceptions.AccessDenied",
         Cause::authorization},
        {"uid that does not exist",
         as("plant", 99, "demo-key"),
         200,
         "odoo.exceptions.MissingError",
         Cause::authorization},
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
    };
}

std::vector<Row> rows_of_the_server() {
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
        auto all = rows_of_rights_and_calls();
        for (const auto& row : rows_of_values()) {
            all.push_back(row);
        }
        for (const auto& row : rows_of_the_server()) {
            all.push_back(row);
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
        std::get<Fault>(classify(odoo.execute(arguments_of("no.model", "read", on(1)))));
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

TEST(OdooContract, ReadOfAMissingRecordIsNoError) {
    OdooCalls odoo;
    EXPECT_EQ(odoo.call("res.partner", "read", on(7)), Json::array());
}

}  // namespace
}  // namespace millrace::stand_ins
