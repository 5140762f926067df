#include "broker/odoo/sink/lookup_cache.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

using namespace std::chrono_literals;

TEST(LookupCache, KeepsWhatWasFoundForItsTimeAndAlsoThatNothingWas) {
    ManualClock clock;
    LookupCache cache(10, clock);
    cache.store("m|a", {{"id", 7}}, 10s);
    cache.store("m|b", nullptr, 1s);
    EXPECT_EQ(cache.find("m|a")->at("id"), 7);
    EXPECT_TRUE(cache.find("m|b")->is_null());
    EXPECT_FALSE(cache.find("m|c"));
    clock.advance(1s);
    EXPECT_FALSE(cache.find("m|b"));
    EXPECT_TRUE(cache.find("m|a"));
    clock.advance(9s);
    EXPECT_FALSE(cache.find("m|a"));
    EXPECT_EQ(cache.size(), 0U);
}

TEST(LookupCache, AtItsLimitTheOneUsedLongestAgoGoes) {
    ManualClock clock;
    LookupCache cache(2, clock);
    cache.store("a", 1, 10s);
    cache.store("b", 2, 10s);
    EXPECT_TRUE(cache.find("a"));
    cache.store("c", 3, 10s);
    EXPECT_EQ(cache.size(), 2U);
    EXPECT_FALSE(cache.find("b"));
    EXPECT_TRUE(cache.find("a"));
}

TEST(LookupCache, ForgetsWhatWasFoundSoAndNotWhatWasFoundSince) {
    ManualClock clock;
    LookupCache cache(10, clock);
    cache.store("m|a", {{"id", 7}}, 10s);
    cache.forget("m|a", {{"id", 6}});
    EXPECT_TRUE(cache.find("m|a"));
    cache.forget("m|a", {{"id", 7}});
    EXPECT_FALSE(cache.find("m|a"));
    cache.forget("m|a", {{"id", 7}});
}

TEST(LookupCache, ForgetsAModel) {
    ManualClock clock;
    LookupCache cache(10, clock);
    cache.store(lookup_key("m", "a"), 1, 10s);
    cache.store(lookup_key("m.line", "a"), 2, 10s);
    cache.forget_model("m");
    EXPECT_FALSE(cache.find(lookup_key("m", "a")));
    EXPECT_TRUE(cache.find(lookup_key("m.line", "a")));
}

TEST(LookupCache, ForgetsWhatAModelDidNotHave) {
    ManualClock clock;
    LookupCache cache(10, clock);
    cache.store(lookup_key("m", "a"), 1, 10s);
    cache.store(lookup_key("m", "b"), nullptr, 10s);
    cache.store(lookup_key("m.line", "b"), nullptr, 10s);
    cache.forget_missing_of("m");
    EXPECT_TRUE(cache.find(lookup_key("m", "a")));
    EXPECT_FALSE(cache.find(lookup_key("m", "b")));
    EXPECT_TRUE(cache.find(lookup_key("m.line", "b")));
}

TEST(LookupCache, NoTimeMeansNotKept) {
    ManualClock clock;
    LookupCache cache(10, clock);
    cache.store("a", 1, 0s);
    EXPECT_FALSE(cache.find("a"));
}

}  // namespace
}  // namespace millrace::broker::odoo
