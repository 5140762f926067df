#include "broker/gateways/http/hooks/hook_intake.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "broker/security/digest.hpp"
#include "storage/base/text/base64.hpp"

namespace millrace::broker::http {
namespace {

using ::testing::HasSubstr;

Request post(std::string body, NamedTexts headers = {}) {
    Request request;
    request.method = Method::post;
    request.body = std::move(body);
    request.headers = std::move(headers);
    return request;
}

Hook hook_of(const std::string& lines) {
    auto file = parse_hook_file("t", "hooks:\n  - name: x\n    open: true\n" + lines);
    EXPECT_TRUE(file) << file.error().text;
    return std::move(file.value().hooks.begin()->second);
}

HookCheck signature(std::string prefix, HookCheck::Encoding encoding) {
    return {.kind = HookCheck::Kind::signature,
            .header = "x-sig",
            .prefix = std::move(prefix),
            .encoding = encoding,
            .secrets = {"new", "old"}};
}

TEST(HookCheck, ATokenMayStandInTheQueryAndIsNotShownToPrograms) {
    auto hook = hook_of("    topic: '.query | keys | join(\",\")'\n");
    hook.check = {.kind = HookCheck::Kind::token, .query = "token", .secrets = {"new", "o&d"}};
    auto request = post("{}");
    for (const char* const good : {"?token=new", "?a=1&token=o%26d"}) {
        request.target = std::string("/v1/hooks/x") + good;
        EXPECT_TRUE(is_admitted(hook.check, request)) << good;
    }
    for (const char* const bad : {"", "?token=", "?token=old", "?tokens=new", "?token=%"}) {
        request.target = std::string("/v1/hooks/x") + bad;
        EXPECT_FALSE(is_admitted(hook.check, request)) << bad;
    }
    const auto target = parse_target("/v1/hooks/x?a=1&token=new");
    ASSERT_TRUE(target);
    const auto record = record_of_hook(hook, request, target.value());
    ASSERT_TRUE(record && record.value());
    EXPECT_EQ(record.value()->topic, "a");
}

TEST(HookCheck, ASignatureOfAnySecretOverTheWholeBodyIsAdmitted) {
    const auto check = signature("sha256=", HookCheck::Encoding::hex);
    const std::string body = R"({"a":1})";
    for (const char* const secret : {"new", "old"}) {
        const auto signed_as = "sha256=" + format_hex(hmac_sha256(secret, body));
        EXPECT_TRUE(is_admitted(check, post(body, {{"x-sig", signed_as}}))) << secret;
        EXPECT_FALSE(is_admitted(check, post(body + " ", {{"x-sig", signed_as}}))) << secret;
    }
    const auto digest = hmac_sha256("new", body);
    EXPECT_FALSE(is_admitted(check, post(body)));
    EXPECT_FALSE(is_admitted(check, post(body, {{"x-sig", "sha256="}})));
    EXPECT_FALSE(is_admitted(check, post(body, {{"x-sig", format_hex(digest)}})));
    EXPECT_FALSE(is_admitted(
        check, post(body, {{"x-sig", "sha256=" + format_hex(hmac_sha256("third", body))}})));
    EXPECT_TRUE(is_admitted(signature("", HookCheck::Encoding::base64),
                            post(body, {{"x-sig", format_base64(digest)}})));
}

TEST(HookCheck, ATokenIsComparedWhole) {
    const HookCheck check{.kind = HookCheck::Kind::token,
                          .header = "authorization",
                          .prefix = "Bearer ",
                          .secrets = {"t0ken"}};
    EXPECT_TRUE(is_admitted(check, post("", {{"authorization", "Bearer t0ken"}})));
    for (const char* const given : {"", "t0ken", "Bearer ", "Bearer t0ke", "Bearer t0kens"}) {
        EXPECT_FALSE(is_admitted(check, post("", {{"authorization", given}}))) << given;
    }
}

TEST(HookRecord, ProgramsChooseTopicKeyIdTimeAndHeaders) {
    const auto hook = hook_of(R"yaml(
    topic: '"shop." + .body.status'
    key: .body.customer
    event_id: '"\(.headers["x-id"])/\(.query.part)"'
    event_time: .body.at
    headers: {kind: .body.kind, none: .body.nothing}
)yaml");
    const auto target = parse_target("/v1/hooks/x?part=2").value();
    const auto made = record_of_hook(
        hook,
        post(R"({"status":"paid","customer":7,"at":"2026-11-20T06:00:00Z","kind":"web"})",
             {{"x-id", "d1"}, {"content-type", "application/json"}}),
        target);
    ASSERT_TRUE(made) << made.error().text;
    const auto& record = made.value()->record;
    EXPECT_EQ(made.value()->topic, "shop.paid");
    EXPECT_EQ(record.key, "7");
    EXPECT_EQ(record.header("event-id"), "d1/2");
    EXPECT_EQ(record.header("kind"), "web");
    EXPECT_FALSE(record.header("none"));
    EXPECT_EQ(record.header("content-type"), "application/json");
    EXPECT_EQ(record.event_time_us, 1'795'154'400'000'000);
    EXPECT_THAT(record.value, HasSubstr("\"status\":\"paid\""));
}

TEST(HookRecord, ABodyThatIsNoJsonIsTextToTheProgramsAndStaysAsItCame) {
    const auto hook = hook_of("    topic: '\"a.b\"'\n    key: .body\n");
    const auto made = record_of_hook(hook, post("UNA:+.? '"), {});
    EXPECT_EQ(made.value()->record.key, "UNA:+.? '");
    EXPECT_EQ(made.value()->record.value, "UNA:+.? '");
}

TEST(HookRecord, TheSameBodyHasTheSameDigest) {
    const auto hook = hook_of("    topic: '\"a.b\"'\n    event_id: .body_sha256\n");
    const auto one = record_of_hook(hook, post("{\"_id\":1}"), {});
    EXPECT_EQ(one.value()->record.header("event-id"), format_hex(sha256("{\"_id\":1}")));
}

TEST(HookRecord, WhatIsNotWantedIsLeftOut) {
    const auto hook = hook_of(
        "    topic: '\"a.b\"'\n    when: .body.state == \"done\"\n    value: .body.payload\n");
    EXPECT_FALSE(record_of_hook(hook, post(R"({"state":"draft"})"), {}).value());
    const auto made = record_of_hook(hook, post(R"({"state":"done","payload":{"n":1}})"), {});
    EXPECT_EQ(made.value()->record.value, R"({"n":1})");
}

TEST(HookRecord, AProgramThatFailsIsNamed) {
    for (const auto& [lines, word] :
         {std::pair{"    topic: .body.a.b\n", "topic"},
          std::pair{"    topic: .body.none\n", "gave nothing"},
          std::pair{"    topic: '\"t\"'\n    key: error(\"no\")\n", "key: "},
          std::pair{"    topic: '\"t\"'\n    event_time: '\"soon\"'\n", "no moment"}}) {
        const auto made = record_of_hook(hook_of(lines), post(R"({"a":7})"), {});
        ASSERT_FALSE(made) << lines;
        EXPECT_EQ(made.error().code, Errc::invalid_argument);
        EXPECT_THAT(made.error().text, HasSubstr(word)) << lines;
    }
}

}  // namespace
}  // namespace millrace::broker::http
