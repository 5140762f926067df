#include "broker/security/secrets.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SecretFile {
  public:
    explicit SecretFile(const std::string& text)
        : path_(std::filesystem::path(::testing::TempDir()) / "millrace-secret-test") {
        std::ofstream(path_) << text;
    }
    SecretFile(const SecretFile&) = delete;
    SecretFile& operator=(const SecretFile&) = delete;
    SecretFile(SecretFile&&) = delete;
    SecretFile& operator=(SecretFile&&) = delete;
    ~SecretFile() { std::filesystem::remove(path_); }
    [[nodiscard]] std::string path() const { return path_.string(); }

  private:
    std::filesystem::path path_;
};

TEST(Secrets, LinesOfAFileHoldSideBySide) {
    const SecretFile file("new\r\n\nold\n");
    const auto secrets = load_secrets({.file = file.path(), .variable = ""});
    ASSERT_TRUE(secrets);
    EXPECT_THAT(secrets.value(), ElementsAre("new", "old"));
}

TEST(Secrets, AVariableIsOne) {
    ASSERT_EQ(::setenv("MILLRACE_TEST_SECRET", "abc", 1), 0);
    EXPECT_THAT(load_secrets({.file = "", .variable = "MILLRACE_TEST_SECRET"}).value(),
                ElementsAre("abc"));
    ::unsetenv("MILLRACE_TEST_SECRET");
    EXPECT_FALSE(load_secrets({.file = "", .variable = "MILLRACE_TEST_SECRET"}));
}

TEST(Secrets, NoneOrTwoSourcesAreRefused) {
    const SecretFile empty("\n");
    EXPECT_FALSE(load_secrets({.file = "", .variable = ""}));
    EXPECT_FALSE(load_secrets({.file = empty.path(), .variable = "X"}));
    EXPECT_FALSE(load_secrets({.file = empty.path(), .variable = ""}));
    const auto missing = load_secrets({.file = "/no/such/file", .variable = ""});
    ASSERT_FALSE(missing);
    EXPECT_THAT(missing.error().text, HasSubstr("/no/such/file"));
}

}  // namespace
}  // namespace millrace::broker
