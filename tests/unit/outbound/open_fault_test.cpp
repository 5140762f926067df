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
    EXPECT_FALSE(tls_hint(""));
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
