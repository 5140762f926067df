#include "broker/odoo/answers/fault.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

struct Case {
    const char* name;
    const char* message;
    Cause cause;
};

class ErrorOfOdoo : public testing::TestWithParam<Case> {};

TEST_P(ErrorOfOdoo, HasItsCause) {
    const auto fault = classify_error(GetParam().name, GetParam().message);
    EXPECT_EQ(fault.cause, GetParam().cause) << fault.error;
    EXPECT_NE(fault.error.find(GetParam().message), std::string::npos);
}

// The table of docs/odoo.md, row by row.
INSTANTIATE_TEST_SUITE_P(
    Table,
    ErrorOfOdoo,
    testing::Values(
        Case{"odoo.exceptions.AccessDenied", "Access Denied", Cause::authorization},
        Case{"odoo.exceptions.MissingError",
             "Record does not exist or has been deleted.\n(Record: res.users(99,), User: 99)",
             Cause::authorization},
        Case{"odoo.exceptions.AccessError", "You are not allowed", Cause::authorization},
        Case{"odoo.exceptions.MissingError",
             "Record does not exist or has been deleted.\n(Record: stock.lot(7,), User: 2)",
             Cause::mapping},
        Case{"odoo.exceptions.UserError", "Object x doesn't exist", Cause::mapping},
        Case{"builtins.AttributeError", "no such method", Cause::mapping},
        Case{"builtins.TypeError", "wrong arguments", Cause::mapping},
        Case{"builtins.ValueError", "Invalid field 'x'", Cause::mapping},
        Case{"odoo.exceptions.ValidationError", "missing required", Cause::mapping},
        Case{"psycopg2.errors.InvalidTextRepresentation", "bad integer", Cause::mapping},
        Case{"psycopg2.errors.NumericValueOutOfRange", "too large", Cause::mapping},
        Case{"psycopg2.errors.SerializationFailure", "could not serialize", Cause::transient},
        Case{"psycopg2.errors.DeadlockDetected", "deadlock detected", Cause::transient},
        Case{"psycopg2.errors.LockNotAvailable", "lock timeout", Cause::transient},
        Case{"odoo.exceptions.MissingError",
             "Record does not exist or has been deleted.\n(Record: res.users(9,), User: 99)",
             Cause::mapping},
        Case{"psycopg2.errors.UniqueViolation",
             "duplicate key value violates unique constraint "
             "\"ir_model_data_module_name_uniq_index\"",
             Cause::transient},
        Case{"psycopg2.errors.UniqueViolation",
             "duplicate key value violates unique constraint \"stock_lot_name_uniq\"",
             Cause::mapping},
        Case{"psycopg2.errors.InFailedSqlTransaction", "aborted", Cause::transient},
        Case{"psycopg2.extensions.TransactionRollbackError", "rolled back", Cause::transient},
        Case{"psycopg2.errors.QueryCanceled", "statement timeout", Cause::transient},
        Case{"psycopg2.pool.PoolError", "The Connection Pool Is Full", Cause::transient},
        Case{"psycopg2.errors.AdminShutdown", "terminating connection", Cause::outage},
        Case{"psycopg2.OperationalError", "connection refused", Cause::outage},
        Case{"psycopg2.InterfaceError", "connection already closed", Cause::outage},
        Case{"psycopg2.OperationalError",
             "FATAL: database \"x\" does not exist",
             Cause::configuration},
        Case{"some.unknown.Class", "who knows", Cause::mapping}));

TEST(ErrorOfOdoo, OnlyABusinessRuleMayPassLater) {
    EXPECT_TRUE(classify_error("odoo.exceptions.UserError", "not enough stock").may_pass_later);
    EXPECT_FALSE(
        classify_error("odoo.exceptions.UserError", "Object x doesn't exist").may_pass_later);
    EXPECT_FALSE(classify_error("odoo.exceptions.ValidationError", "missing").may_pass_later);
}

TEST(StatusOfHttp, SaysWhoIsAtFault) {
    EXPECT_EQ(classify_status(303, "").cause, Cause::configuration);
    EXPECT_EQ(classify_status(400, "").cause, Cause::mapping);
    EXPECT_EQ(classify_status(400, "Client sent an HTTP request to an HTTPS server.\n").cause,
              Cause::configuration);
    EXPECT_EQ(classify_status(400, "not: The plain HTTP request was sent to HTTPS port").cause,
              Cause::mapping);
    EXPECT_EQ(classify_status(401, "").cause, Cause::authorization);
    EXPECT_EQ(classify_status(403, "").cause, Cause::authorization);
    EXPECT_EQ(classify_status(408, "").cause, Cause::transient);
    EXPECT_EQ(classify_status(404, "").cause, Cause::configuration);
    EXPECT_EQ(classify_status(429, "").cause, Cause::transient);
    EXPECT_EQ(classify_status(500, "<html>").cause, Cause::transient);
    EXPECT_EQ(classify_status(502, "").cause, Cause::outage);
    EXPECT_EQ(classify_status(503, "").cause, Cause::outage);
}

TEST(StatusOfHttp, KeepsOnlyTheBeginningOfALongAnswer) {
    EXPECT_EQ(classify_status(500, std::string(100'000, 'x')).response.size(), 2048U);
}

TEST(RowOfLoad, IsTransientWhenItIsAConflict) {
    EXPECT_EQ(classify_row("", "could not serialize access due to concurrent update").cause,
              Cause::transient);
    EXPECT_EQ(classify_row("product_id", "No matching record found").cause, Cause::mapping);
    EXPECT_EQ(classify_row("product_id", "No matching record found").error,
              "product_id: No matching record found");
}

TEST(Fault, WhatIsKeptOfAnAnswerIsBoundedAndUtf8) {
    const auto fault = classify_error("builtins.ValueError", std::string(5'000, 'x') + "\xc3");
    EXPECT_EQ(fault.response.size(), response_bytes_max);
    EXPECT_LE(fault.error.size(), 2 * response_bytes_max + 2);
    EXPECT_EQ(classify_status(500, "a\xff\xfe b").response, "a b");
    const auto cut = classify_row("", std::string(response_bytes_max - 1, 'x') + "\xc3\xa4");
    EXPECT_EQ(cut.response, std::string(response_bytes_max - 1, 'x'));
}

}  // namespace
}  // namespace millrace::broker::odoo
