#include "broker/odoo/transport/odoo_url.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

TEST(OdooUrl, TakesHostAndPort) {
    const auto url = parse_odoo_url("http://odoo.plant1.example:8069/");
    ASSERT_TRUE(url) << url.error().text;
    EXPECT_EQ(url.value().host, "odoo.plant1.example");
    EXPECT_EQ(url.value().port, "8069");
    EXPECT_EQ(parse_odoo_url("http://odoo").value().port, "8069");
}

TEST(OdooUrl, RefusesWhatItCannotSpeakOrRead) {
    for (const char* const text : {"",
                                   "odoo:8069",
                                   "https://odoo",
                                   "http://",
                                   "http://:1",
                                   "http://odoo:",
                                   "http://odoo:x",
                                   "http://odoo:123456",
                                   "http://odoo/web"}) {
        const auto url = parse_odoo_url(text);
        ASSERT_FALSE(url) << text;
        EXPECT_EQ(url.error().code, Errc::configuration);
        EXPECT_NE(url.error().text.find("odoo_url"), std::string::npos);
    }
}

}  // namespace
}  // namespace millrace::broker::odoo
