#include "broker/odoo/source/cursor_file.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace millrace::broker::odoo {
namespace {

using ::testing::HasSubstr;

class CursorFileFixture : public testing::Test {
  protected:
    CursorFileFixture() {
        const auto* const test = testing::UnitTest::GetInstance()->current_test_info();
        folder = std::filesystem::path(testing::TempDir()) /
                 (std::string("cursors-") + test->name() + std::to_string(::getpid()));
        std::filesystem::create_directories(folder);
        path = folder / "odoo-source.json";
    }
    ~CursorFileFixture() override { std::filesystem::remove_all(folder); }

    std::filesystem::path folder;
    std::string path;
};

TEST_F(CursorFileFixture, TheLastOneThatWasSavedIsThere) {
    {
        CursorFile file(path);
        for (int id = 1; id <= 100; ++id) {
            file.save({{"a", {.from = {}, .upto = {}, .last_id = id}}});
        }
    }
    const auto loaded = CursorFile::load(path);
    ASSERT_TRUE(loaded) << loaded.error().text;
    EXPECT_EQ(loaded.value().at("a").last_id, 100);
}

TEST_F(CursorFileFixture, NoFileIsNoCursorAndABadOneIsNamed) {
    const auto none = CursorFile::load(path);
    ASSERT_TRUE(none);
    EXPECT_TRUE(none.value().empty());
    std::ofstream(path) << "{";
    const auto bad = CursorFile::load(path);
    ASSERT_FALSE(bad);
    EXPECT_THAT(bad.error().text, HasSubstr(path));
}

}  // namespace
}  // namespace millrace::broker::odoo
