#include "broker/descriptor_limit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

namespace millrace::broker {
namespace {

using ::testing::HasSubstr;

TEST(DescriptorLimit, SoftLimitIsRaisedToTheHardOne) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit lowered{.rlim_cur = before.rlim_max / 2, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
    const auto raised = raise_descriptor_limit();
    rlimit after{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
    EXPECT_EQ(raised, before.rlim_max);
    EXPECT_EQ(after.rlim_cur, before.rlim_max);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(DescriptorLimit, ShortageNamesWhatIsThereAndWhatMayCome) {
    EXPECT_FALSE(find_descriptor_shortage(11'280, 10'256));
    const auto shortage = find_descriptor_shortage(11'279, 10'256);
    ASSERT_TRUE(shortage);
    EXPECT_THAT(*shortage, HasSubstr("11279"));
    EXPECT_THAT(*shortage, HasSubstr("10256"));
    EXPECT_THAT(*shortage, HasSubstr("LimitNOFILE"));
}

}  // namespace
}  // namespace millrace::broker
