#include "broker/odoo/transport/json2.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

Call write_call() {
    Call call{.model = "res.partner", .method = "write", .ids = Json::array({7})};
    call.positional = {{"vals", {{"name", "A"}}}};
    call.named = {{"limit", 2}};
    call.context = {{"tz", "UTC"}};
    return call;
}

TEST(Json2, NamesEveryArgument) {
    EXPECT_EQ(json2_body(write_call()).dump(),
              R"({"context":{"tz":"UTC"},"ids":[7],"limit":2,"vals":{"name":"A"}})");
}

TEST(Json2, TheSameCallIsPositionalInJsonRpc) {
    const auto [positional, keyword] = rpc_arguments(write_call());
    EXPECT_EQ(positional.dump(), R"([[7],{"name":"A"}])");
    EXPECT_EQ(keyword.dump(), R"({"context":{"tz":"UTC"},"limit":2})");
}

TEST(Json2, GivesTheResultAsItIs) {
    EXPECT_EQ(std::get<std::string>(parse_json2_answer(200, "[1]")), "[1]");
    EXPECT_EQ(std::get<std::string>(parse_json2_answer(200, "null")), "null");
    EXPECT_EQ(std::get<Fault>(parse_json2_answer(200, "<html>")).cause, Cause::configuration);
}

TEST(Json2, ErrorsAreClassifiedByTheirNameWhateverTheStatus) {
    const auto cause = [](unsigned status, const char* name) {
        const Json body{{"name", name}, {"message", "m"}, {"debug", "Traceback SECRET"}};
        const auto fault = std::get<Fault>(parse_json2_answer(status, body.dump()));
        EXPECT_EQ(fault.error.find("SECRET"), std::string::npos);
        EXPECT_EQ(fault.response.find("SECRET"), std::string::npos);
        return fault.cause;
    };
    EXPECT_EQ(cause(422, "odoo.exceptions.ValidationError"), Cause::mapping);
    EXPECT_EQ(cause(403, "odoo.exceptions.AccessError"), Cause::authorization);
    EXPECT_EQ(cause(500, "psycopg2.errors.SerializationFailure"), Cause::transient);
    EXPECT_EQ(cause(500, "psycopg2.OperationalError"), Cause::outage);
    EXPECT_EQ(cause(404, "werkzeug.exceptions.NotFound"), Cause::mapping);
    EXPECT_EQ(cause(403, "some.Unknown"), Cause::authorization);
    EXPECT_EQ(cause(422, "some.Unknown"), Cause::mapping);
    EXPECT_EQ(cause(500, "some.Unknown"), Cause::transient);
    EXPECT_EQ(cause(503, "some.Unknown"), Cause::outage);
    EXPECT_EQ(cause(401, "werkzeug.exceptions.Unauthorized"), Cause::authorization);
}

TEST(Json2, StatusWithoutAnErrorIsClassifiedByItself) {
    EXPECT_EQ(std::get<Fault>(parse_json2_answer(303, "")).cause, Cause::configuration);
    EXPECT_EQ(std::get<Fault>(parse_json2_answer(403, "")).cause, Cause::authorization);
    EXPECT_EQ(std::get<Fault>(parse_json2_answer(502, "")).cause, Cause::outage);
    EXPECT_EQ(std::get<Fault>(parse_json2_answer(500, "<html>")).cause, Cause::transient);
}

TEST(Json2, ApiHasTwoNames) {
    EXPECT_EQ(parse_odoo_api("jsonrpc").value(), OdooApi::jsonrpc);
    EXPECT_EQ(parse_odoo_api("json2").value(), OdooApi::json2);
    EXPECT_THAT(parse_odoo_api("xmlrpc").error().text, testing::HasSubstr("odoo_api"));
}

}  // namespace
}  // namespace millrace::broker::odoo
