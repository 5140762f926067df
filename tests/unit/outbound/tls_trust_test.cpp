#include "broker/outbound/tls_trust.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/outbound/certificates.hpp"

namespace millrace::broker {
namespace {

using testing::HasSubstr;

TEST(TlsTrust, TakesTheCertificatesOfAFile) {
    const test::TextFile file(test::make_authority().pem() + test::make_authority().pem());
    const auto trust = TlsTrust::load(file.path(), "odoo_ca_file");
    ASSERT_TRUE(trust) << trust.error().text;
    EXPECT_EQ(trust.value()->ca_file(), file.path());
}

TEST(TlsTrust, AFileThatIsNotThereIsNamedWithItsSetting) {
    const auto trust = TlsTrust::load("/nowhere/ca.pem", "odoo_ca_file");
    ASSERT_FALSE(trust);
    EXPECT_EQ(trust.error().code, Errc::configuration);
    EXPECT_THAT(trust.error().text, HasSubstr("odoo_ca_file: "));
    EXPECT_THAT(trust.error().text, HasSubstr("/nowhere/ca.pem: No such file or directory"));
}

TEST(TlsTrust, AFileWithoutACertificateIsRefused) {
    for (const auto& text :
         {std::string(), std::string("no PEM"), test::make_authority().key_pem()}) {
        const test::TextFile file(text);
        const auto trust = TlsTrust::load(file.path(), "ca_file");
        ASSERT_FALSE(trust) << text;
        EXPECT_THAT(trust.error().text, HasSubstr("no certificate"));
        EXPECT_THAT(trust.error().text, Not(HasSubstr("PRIVATE")));
    }
}

}  // namespace
}  // namespace millrace::broker
