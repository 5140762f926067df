#include "broker/odoo/transport/login.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

class KeyFile : public testing::Test {
  protected:
    std::string with(const std::string& text) const {
        std::ofstream(path) << text;
        return path;
    }
    void TearDown() override { (void)std::remove(path.c_str()); }
    std::string path = testing::TempDir() + "millrace_key_" +
                       testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(KeyFile, FirstLineIsTheKey) {
    EXPECT_EQ(load_key(with("s3cret\nmore\n")).value(), "s3cret");
    EXPECT_EQ(load_key(with("s3cret\r\n")).value(), "s3cret");
}

TEST_F(KeyFile, KeyThatCouldNotBeSentIsRefusedWithoutShowingIt) {
    for (const char* const text : {"", "\ns3cret", "s3 cret", "s3c\x01ret", "s3c\xc3ret"}) {
        const auto loaded = load_key(with(text));
        ASSERT_FALSE(loaded) << text;
        EXPECT_THAT(loaded.error().text, testing::HasSubstr("no key on the first line of"));
        EXPECT_EQ(loaded.error().text.find("s3"), std::string::npos);
    }
}

TEST_F(KeyFile, MissingFileSaysSo) {
    EXPECT_THAT(load_key("/nonexistent/key").error().text, testing::HasSubstr("odoo_key_file"));
}

}  // namespace
}  // namespace millrace::broker::odoo
