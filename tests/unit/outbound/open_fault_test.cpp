#include "broker/outbound/open_fault.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/outbound/peer.hpp"
#include "broker/outbound/tls_trust.hpp"

namespace millrace::broker {
namespace {

using testing::HasSubstr;

TEST(TlsHint, KnowsWhatServersSayToPlainHttp) {
    for (const char* const body :
         {"<center>The plain HTTP request was sent to HTTPS port</center>",
          "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
          "Client sent an HTTP request to an HTTPS server.\n"}) {
        ASSERT_TRUE(tls_hint(body)) << body;
        EXPECT_THAT(std::string(*tls_hint(body)), HasSubstr("https://"));
    }
    EXPECT_THAT(std::string(*tls_hint("<center>No required SSL certificate was sent</center>")),
                HasSubstr("certificate from us"));
    EXPECT_FALSE(tls_hint("<title>400 Bad Request</title>"));
    const std::string phrase = "Client sent an HTTP request to an HTTPS server.";
    EXPECT_FALSE(tls_hint(R"({"error":"bad value: )" + phrase + R"("})")) << "it is repeated";
    EXPECT_FALSE(tls_hint("bad value: " + phrase));
    EXPECT_FALSE(tls_hint(R"(["<center>The plain HTTP request was sent to HTTPS port</center>"])"));
    EXPECT_FALSE(tls_hint(std::string(2'000, ' ') +
                          "<center>The plain HTTP request was sent to HTTPS port</center>"));
    EXPECT_FALSE(tls_hint(""));
}

TEST(TlsAlert, IsSeenInAnAnswerToPlainHttpAlone) {
    const Peer plain{.host = "odoo", .port = "8069"};
    const Peer secured{
        .host = "odoo", .port = "443", .trust = TlsTrust::load("", "ca_file").value()};
    EXPECT_TRUE(is_tls_alert(plain, "\x15\x03\x01"));
    EXPECT_FALSE(is_tls_alert(plain, "HTTP/1.1 200 OK"));
    EXPECT_FALSE(is_tls_alert(plain, ""));
    EXPECT_FALSE(is_tls_alert(secured, "\x15\x03\x01"));
}

TEST(Peer, SaysItsPortUnlessItIsThatOfTheScheme) {
    const auto trust = TlsTrust::load("", "ca_file").value();
    EXPECT_EQ((Peer{.host = "odoo", .port = "443", .trust = trust}).authority(), "odoo");
    EXPECT_EQ((Peer{.host = "odoo", .port = "80", .trust = trust}).authority(), "odoo:80");
    EXPECT_EQ((Peer{.host = "odoo", .port = "80"}).authority(), "odoo");
    EXPECT_EQ((Peer{.host = "odoo", .port = "8069"}).authority(), "odoo:8069");
}

}  // namespace
}  // namespace millrace::broker
