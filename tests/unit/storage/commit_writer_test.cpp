#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/storage/store_fixture.hpp"

#include "storage/format/layout.hpp"

namespace millrace::storage::testing {
namespace {

constexpr PartitionId seven{7};

std::string record(std::size_t number) {
    return std::to_string(number) + std::string(3'000, '.');
}

TEST(CommitWriter, PowerLossAtARollLeavesNoGap) {
    // One record is one commit of one block.
    const std::size_t in_a_segment = 64_KiB / disk_alignment - 1;
    for (std::uint64_t seed = 1; seed <= 64; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        StoreFixture fixture(seed);
        ASSERT_TRUE(fixture.open());
        std::vector<std::string> published;
        const auto publish = [&](const std::string& text) {
            published.push_back(text);
            ASSERT_TRUE(fixture.publish(seven, published.back()));
            fixture.store->submit();
        };
        while (published.size() < in_a_segment - 1) {
            publish(record(published.size()));
            fixture.run();
        }
        // The last of the segment and the first ones of the next, each a sector, lost or not.
        publish("last");
        publish("first");
        publish("second");
        fixture.crash();
        ASSERT_TRUE(fixture.open());
        const auto found = fixture.read_all(seven).values;
        ASSERT_GE(found.size(), in_a_segment - 1);
        published.resize(found.size());
        EXPECT_EQ(found, published);
        EXPECT_EQ(fixture.store->bounds(seven).next, Offset{found.size()});
        EXPECT_EQ(fixture.store->stats().frames_quarantined, 0U);
    }
}

TEST(CommitWriter, RollGoesOnOnceTheFullSegmentIsOnDisk) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    for (std::size_t i = 0; i < 40; ++i) {
        ASSERT_TRUE(fixture.publish(seven, record(i)));
        fixture.store->submit();
    }
    fixture.run();
    EXPECT_EQ(fixture.acked[seven].size(), 40U);
    EXPECT_EQ(fixture.read_all(seven).values, fixture.acked[seven]);
}

}  // namespace
}  // namespace millrace::storage::testing
