#include <gtest/gtest.h>

#include "broker/odoo/transport/json_rpc.hpp"

namespace millrace::broker::odoo {
namespace {

TEST(RpcAnswer, GivesTheResultAsJson) {
    EXPECT_EQ(std::get<std::string>(
                  parse_rpc_answer(R"({"jsonrpc":"2.0","id":1,"result":{"ids":[1]}})", 1)),
              R"({"ids":[1]})");
    EXPECT_EQ(std::get<std::string>(parse_rpc_answer(R"({"jsonrpc":"2.0","id":1})", 1)), "null");
}

TEST(RpcAnswer, ClassifiesTheErrorAndLeavesTheTraceback) {
    const auto reply = parse_rpc_answer(
        R"({"jsonrpc":"2.0","id":1,"error":{"code":200,"message":"Odoo Server Error",
            "data":{"name":"builtins.ValueError","message":"Invalid field",
                    "debug":"Traceback SECRET"}}})",
        1);
    const auto& fault = std::get<Fault>(reply);
    EXPECT_EQ(fault.cause, Cause::mapping);
    EXPECT_EQ(fault.error, "builtins.ValueError: Invalid field");
    EXPECT_EQ(fault.response.find("SECRET"), std::string::npos);
}

TEST(RpcAnswer, AnythingElseIsAFault) {
    for (const char* const text :
         {"", "<html>", "[]", R"({"error":1})", R"({"error":{"data":[]}})"}) {
        EXPECT_TRUE(std::holds_alternative<Fault>(parse_rpc_answer(text, 1))) << text;
    }
}

TEST(RpcAnswer, OfAnotherProtocolOrToAnotherRequestIsNoSuccess) {
    for (const char* const text : {"{}",
                                   R"({"status":"ok"})",
                                   R"({"id":1,"result":true})",
                                   R"({"jsonrpc":"1.0","id":1,"result":true})",
                                   R"({"jsonrpc":"2.0","id":2,"result":true})",
                                   R"({"jsonrpc":"2.0","id":null,"result":true})",
                                   R"({"jsonrpc":"2.0","result":true})"}) {
        const auto reply = parse_rpc_answer(text, 1);
        ASSERT_TRUE(std::holds_alternative<Fault>(reply)) << text;
        EXPECT_EQ(std::get<Fault>(reply).cause, Cause::configuration) << text;
    }
}

}  // namespace
}  // namespace millrace::broker::odoo
