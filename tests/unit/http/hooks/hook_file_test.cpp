#include "broker/gateways/http/hooks/hook_file.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/gateways/http/hooks/target_url.hpp"

namespace millrace::broker::http {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

class HookFiles : public ::testing::Test {
  protected:
    void SetUp() override { ASSERT_EQ(::setenv("HOOK_SECRET", "s3cret", 1), 0); }
    void TearDown() override { ::unsetenv("HOOK_SECRET"); }
};

TEST_F(HookFiles, WaysInAndOutAreRead) {
    const auto file = parse_hook_file("hooks.yaml", R"(
hooks:
  - name: shop
    topic: '"shop.order"'
    key: .body.id
    headers: {kind: .body.kind}
    signature: {header: X-Signature, prefix: sha256=, encoding: base64, secret_env: HOOK_SECRET}
  - name: plain
    topic: .query.topic
    token: {header: Authorization, prefix: "Bearer ", secret_env: HOOK_SECRET}
  - {name: anyone, topic: '"a.b"', open: true}
targets:
  - subscription: crm
    url: http://crm:8080/events?x=1
    headers: {X-Plant: one}
    signature: {secret_env: HOOK_SECRET}
    timeout_ms: 500
    concurrency: 8
  - {subscription: other, url: "http://127.0.0.1"}
  - {subscription: far, url: "https://far.example/in"}
)");
    ASSERT_TRUE(file) << file.error().text;
    const auto& shop = file.value().hooks.at("shop");
    EXPECT_EQ(shop.check.kind, HookCheck::Kind::signature);
    EXPECT_EQ(shop.check.header, "x-signature");
    EXPECT_EQ(shop.check.encoding, HookCheck::Encoding::base64);
    EXPECT_THAT(shop.check.secrets, ElementsAre("s3cret"));
    EXPECT_TRUE(shop.key);
    EXPECT_FALSE(shop.event_id);
    EXPECT_EQ(shop.headers.front().name, "kind");
    EXPECT_EQ(file.value().hooks.at("plain").check.kind, HookCheck::Kind::token);
    EXPECT_EQ(file.value().hooks.at("anyone").check.kind, HookCheck::Kind::none);
    const auto& crm = file.value().targets.front();
    EXPECT_EQ(crm.peer.place() + crm.path, "crm:8080/events?x=1");
    EXPECT_THAT(crm.headers, ElementsAre(Pair("X-Plant", "one")));
    EXPECT_EQ(crm.timeout.count(), 500);
    EXPECT_EQ(crm.concurrency, 8U);
    EXPECT_EQ(crm.peer.trust, nullptr);
    const auto& far = file.value().targets.back();
    EXPECT_EQ(far.peer.place() + far.path, "far.example:443/in");
    EXPECT_NE(far.peer.trust, nullptr);
    EXPECT_TRUE(file.value().targets.back().secrets.empty());
}

TEST_F(HookFiles, AnEmptyFileHasNone) {
    EXPECT_TRUE(parse_hook_file("hooks.yaml", "").value().hooks.empty());
    EXPECT_TRUE(parse_hook_file("hooks.yaml", "hooks:\n").value().hooks.empty());
}

TEST_F(HookFiles, WhatIsWrongIsSaidWithItsLine) {
    const std::string good = "hooks:\n  - name: x\n    topic: '\"a\"'\n";
    for (const auto& [text, word] :
         {std::pair<std::string, const char*>{"hoks: []", "hooks.yaml:1: unknown key \"hoks\""},
          {"hooks: 7", "takes a list"},
          {"- a", "a map of keys"},
          {good, "hooks.yaml:2: a hook has a \"signature\""},
          {good + "    open: perhaps", "true or false"},
          {good + "    open: true\n    token: {header: a, secret_env: HOOK_SECRET}", "one of them"},
          {good + "    token: {header: a}", "name one"},
          {good + "    token: {header: a, query: b, secret_env: HOOK_SECRET}", "one of them"},
          {good + "    token: {secret_env: HOOK_SECRET}", "\"header\" is missing"},
          {good + "    token: {header: a, secret_env: NO_SUCH_VARIABLE}", "NO_SUCH_VARIABLE"},
          {good + "    token: {header: a, encoding: hex, secret_env: HOOK_SECRET}", "unknown key"},
          {good + "    signature: {header: a, encoding: rot13, secret_env: HOOK_SECRET}",
           "hex or base64"},
          {good + "    open: true\n    key: .x +", "hooks.yaml:5: key: not a jq program"},
          {good + "    open: true\n  - {name: x, topic: '\"b\"', open: true}", "twice"},
          {good + "    open: true\n    open: false\n", "stands in this map already, on line"},
          {good + "    open: true\n    headers: {a: .b, a: .c}\n", "\"a\" stands in this map"},
          {"hooks:\n  - {name: x, open: true}", "\"topic\" is missing"},
          {"targets:\n  - {subscription: s, url: 'https://x', ca_file: /nowhere/ca.pem}",
           "hooks.yaml:2: ca_file: no certificate in PEM can be read from /nowhere/ca.pem"},
          {"targets:\n  - {subscription: s, url: 'http://x', ca_file: ca.pem}",
           "\"ca_file\" is for https://"},
          {"targets:\n  - {subscription: s, url: 'http://x', concurrency: 0}", "from 1 to 64"},
          {"targets:\n  - {subscription: s, url: 'http://x', headers: {a: \"b\\nc: d\"}}",
           "on one line"},
          {"targets:\n  - {subscription: s, url: 'http://x'}\n  - {subscription: s, url: "
           "'http://y'}",
           "already"},
          {"hooks: [", "hooks.yaml:"}}) {
        const auto file = parse_hook_file("hooks.yaml", text);
        ASSERT_FALSE(file) << text;
        EXPECT_EQ(file.error().code, Errc::configuration);
        EXPECT_THAT(file.error().text, HasSubstr(word)) << text;
        EXPECT_THAT(file.error().text, Not(HasSubstr("s3cret")));
    }
}

TEST(TargetUrl, IsTakenApart) {
    EXPECT_EQ(parse_target_url("http://h").value().port, "80");
    EXPECT_EQ(parse_target_url("http://h:65535/").value().port, "65535");
    EXPECT_FALSE(parse_target_url("http://h").value().is_https);
    EXPECT_EQ(parse_target_url("https://h/a").value().port, "443");
    EXPECT_EQ(parse_target_url("https://h:8443").value().port, "8443");
    EXPECT_TRUE(parse_target_url("https://h").value().is_https);
    EXPECT_EQ(parse_target_url("http://h?q=1").value().path, "/?q=1");
    for (const char* const text : {"",
                                   "h",
                                   "ftp://h",
                                   "http://",
                                   "https://",
                                   "http://:80",
                                   "http://h:",
                                   "http://h:x",
                                   "http://u@h",
                                   "http://h/a b",
                                   "http://h:123456",
                                   "http://h:0",
                                   "http://h:65536",
                                   "http://[::1]:80/",
                                   "http://::1/"}) {
        EXPECT_FALSE(parse_target_url(text)) << text;
    }
}

}  // namespace
}  // namespace millrace::broker::http
