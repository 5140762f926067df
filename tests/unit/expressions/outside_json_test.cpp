#include "client/expressions/outside_json.hpp"

#include <gtest/gtest.h>

namespace millrace::expressions {
namespace {

std::string nested(std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
}

TEST(OutsideJson, IsParsedUpToItsDepth) {
    EXPECT_TRUE(is_outside_json(nested(json_levels_max)));
    EXPECT_TRUE(parse_outside_json(nested(json_levels_max)).is_array());
    EXPECT_FALSE(is_outside_json(nested(json_levels_max + 1)));
    EXPECT_TRUE(parse_outside_json(nested(json_levels_max + 1)).is_discarded());
    EXPECT_TRUE(parse_outside_json(nested(1'000'000)).is_discarded());
}

TEST(OutsideJson, BracketsInTextsAreNoLevels) {
    const auto text = "[\"\\\"" + std::string(1'000, '[') + "\", 1]";
    EXPECT_EQ(parse_outside_json(text).at(1), 1);
}

TEST(OutsideJson, ANulIsNotItsEnd) {
    for (const std::string_view text : {std::string_view("{}\0", 3),
                                        std::string_view("{}\0rest", 7),
                                        std::string_view("\0", 1),
                                        std::string_view("{\"a\0\":1}", 8)}) {
        EXPECT_FALSE(is_outside_json(text));
        EXPECT_TRUE(parse_outside_json(text).is_discarded());
    }
    EXPECT_EQ(parse_outside_json(R"("\u0000")").get<std::string>(), std::string(1, '\0'));
}

TEST(OutsideJson, KeepsTheOrderWhereThatIsWanted) {
    EXPECT_EQ(parse_outside_json<nlohmann::ordered_json>(R"({"b":1,"a":2})").dump(),
              R"({"b":1,"a":2})");
    EXPECT_TRUE(parse_outside_json<nlohmann::ordered_json>("{").is_discarded());
}

}  // namespace
}  // namespace millrace::expressions
