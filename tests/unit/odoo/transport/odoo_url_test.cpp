#include "broker/odoo/transport/odoo_url.hpp"

#include <gtest/gtest.h>

#include "tests/unit/outbound/certificates.hpp"

#include "broker/outbound/tls_trust.hpp"

namespace millrace::broker::odoo {
namespace {

TEST(OdooUrl, TakesHostAndPort) {
    const auto url = parse_odoo_url("http://odoo.plant1.example:8069/");
    ASSERT_TRUE(url) << url.error().text;
    EXPECT_EQ(url.value().host, "odoo.plant1.example");
    EXPECT_EQ(url.value().port, "8069");
    EXPECT_EQ(parse_odoo_url("http://odoo").value().port, "8069");
}

TEST(OdooUrl, HttpsHasAPortOfItsOwn) {
    const auto url = parse_odoo_url("https://odoo.plant1.example/");
    ASSERT_TRUE(url) << url.error().text;
    EXPECT_TRUE(url.value().is_https);
    EXPECT_EQ(url.value().host, "odoo.plant1.example");
    EXPECT_EQ(url.value().port, "443");
    EXPECT_EQ(parse_odoo_url("https://odoo:8443").value().port, "8443");
    EXPECT_FALSE(parse_odoo_url("http://odoo").value().is_https);
}

TEST(FindOdoo, HttpsTakesAFileOrTheSystem) {
    const test::TextFile file(test::make_authority().pem());
    EXPECT_EQ(find_odoo("https://odoo", file.path()).value().trust->ca_file(), file.path());
    EXPECT_EQ(find_odoo("https://odoo", "").value().trust->ca_file(), "");
    EXPECT_EQ(find_odoo("http://odoo", "").value().trust, nullptr);
}

TEST(FindOdoo, AFileThatWouldNotBeUsedOrReadIsRefused) {
    for (const char* const url : {"http://odoo", "https://odoo"}) {
        const auto peer = find_odoo(url, "/nowhere/ca.pem");
        ASSERT_FALSE(peer) << url;
        EXPECT_EQ(peer.error().code, Errc::configuration);
        EXPECT_NE(peer.error().text.find("odoo_ca_file"), std::string::npos);
    }
}

TEST(OdooUrl, RefusesWhatItCannotSpeakOrRead) {
    for (const char* const text : {"",
                                   "odoo:8069",
                                   "http://",
                                   "http://:1",
                                   "http://odoo:",
                                   "http://odoo:x",
                                   "http://odoo:123456",
                                   "http://odoo/web",
                                   "ftp://odoo",
                                   "https://",
                                   "https://odoo:x",
                                   "https://odoo/odoo",
                                   "https://me:s3cret@odoo"}) {
        const auto url = parse_odoo_url(text);
        ASSERT_FALSE(url) << text;
        EXPECT_EQ(url.error().code, Errc::configuration);
        EXPECT_NE(url.error().text.find("odoo_url"), std::string::npos);
        EXPECT_EQ(url.error().text.find("s3cret"), std::string::npos);
    }
}

}  // namespace
}  // namespace millrace::broker::odoo
