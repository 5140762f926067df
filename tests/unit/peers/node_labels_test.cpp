#include "broker/peers/node_labels.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::peers {
namespace {

using ::testing::HasSubstr;

std::string refusal_of(const std::string& text) {
    const auto labels = parse_labels(text);
    EXPECT_TRUE(labels || labels.error().code == Errc::configuration);
    return labels ? "" : labels.error().text;
}

TEST(NodeLabels, NamesHaveValues) {
    EXPECT_EQ(parse_labels("rack=a,plant=1").value(), (NodeLabels{{"plant", "1"}, {"rack", "a"}}));
    EXPECT_EQ(parse_labels("rack=A-1.b_2").value(), (NodeLabels{{"rack", "A-1.b_2"}}));
    EXPECT_TRUE(parse_labels("").value().empty());
}

TEST(NodeLabels, WhatIsWrongIsSaid) {
    EXPECT_THAT(refusal_of("rack"),
                HasSubstr(R"(node_labels: "rack" has no value; write them as)"));
    EXPECT_THAT(refusal_of(",rack=a"), HasSubstr(R"("" has no value)"));
    EXPECT_THAT(refusal_of("=a"), HasSubstr("has a name that is not 1 to 63 letters"));
    EXPECT_THAT(refusal_of("rack="), HasSubstr("has a value that is not 1 to 63 letters"));
    EXPECT_THAT(refusal_of("rack=a b"), HasSubstr("has a value that is not"));
    EXPECT_THAT(refusal_of("ra ck=a"), HasSubstr("has a name that is not"));
    EXPECT_THAT(refusal_of("rack=a=b"), HasSubstr("has a value that is not"));
    EXPECT_THAT(refusal_of("rack=a,rack=b"),
                HasSubstr(R"("rack=b" has a name that is there twice)"));
}

TEST(NodeLabels, LimitsHold) {
    const std::string longest(label_bytes_max, 'x');
    EXPECT_EQ(refusal_of(longest + "=" + longest), "");
    EXPECT_NE(refusal_of(longest + "x=a"), "");
    EXPECT_NE(refusal_of("a=" + longest + "x"), "");
    std::string text;
    for (std::size_t i = 0; i < labels_max; ++i) {
        text += (i == 0 ? "" : ",") + ("n" + std::to_string(i)) + "=v";
    }
    EXPECT_EQ(refusal_of(text), "");
    EXPECT_THAT(refusal_of(text + ",more=v"), HasSubstr("at most 16, not 17"));
}

}  // namespace
}  // namespace millrace::broker::peers
