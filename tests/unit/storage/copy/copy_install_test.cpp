#include "storage/copy/copy_install.hpp"

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/storage/copy/copy_fixture.hpp"
#include "tests/unit/storage/copy/power_cut.hpp"

#include "storage/copy/copy_paths.hpp"
#include "storage/io/posix_disk.hpp"

namespace millrace::storage::testing {
namespace {

constexpr PartitionId first_partition{0};
const CopyPaths shard_paths(copy_directory);

/// A shard that is to be replaced, or none.
class CopyReplica {
  public:
    explicit CopyReplica(std::uint64_t seed) : fixture(seed) {}

    void make_old(int records) {
        ASSERT_TRUE(fixture.open());
        for (int i = 0; i < records; ++i) {
            ASSERT_TRUE(fixture.publish(first_partition, "old " + std::to_string(i)));
            fixture.run();
        }
        old = fixture.acked[first_partition];
        fixture.close();
    }
    /// Whether the old shard is there rather than the copy; one of them is, whole.
    bool is_old(CopyLeader& leader) {
        if (!fixture.open()) {
            return true;
        }
        const auto values = fixture.read_all(first_partition).values;
        const bool found_old = values == old;
        if (found_old) {
            EXPECT_EQ(fixture.store->stats().frames_quarantined, 0U);
        } else {
            leader.expect_same(fixture);
            EXPECT_EQ(fixture.scan_all(0).values, leader.published);
        }
        fixture.close();
        return found_old;
    }
    [[nodiscard]] bool has(const std::string& path) { return fixture.disk.exists(path).value(); }
    void expect_nothing_beside() {
        EXPECT_FALSE(has(shard_paths.incoming));
        EXPECT_FALSE(has(shard_paths.old));
        EXPECT_FALSE(has(shard_paths.installed_mark));
    }
    void expect_start_loses_nothing(CopyLeader& leader) {
        const bool was_decided = has(shard_paths.incoming_mark) || has(shard_paths.installed_mark);
        ASSERT_TRUE(finish_install(fixture.disk, copy_directory));
        EXPECT_FALSE(has(shard_paths.old));
        if (is_old(leader)) {
            EXPECT_FALSE(was_decided);
        } else {
            expect_nothing_beside();
        }
    }

    StoreFixture fixture;
    std::vector<std::string> old;
};

class CopyInstallTest : public ::testing::Test {
  protected:
    CopyInstallTest() { leader.publish(16); }

    CopyLeader leader;
    CopyReplica replica{2};
};

TEST_F(CopyInstallTest, CopyTakesThePlaceOfTheShard) {
    replica.make_old(12);
    ASSERT_TRUE(copy_from(leader.source, replica.fixture.disk));
    EXPECT_TRUE(replica.is_old(leader));
    ASSERT_TRUE(install_copy(replica.fixture.disk, copy_directory));
    replica.expect_nothing_beside();
    EXPECT_FALSE(replica.is_old(leader));
}

TEST_F(CopyInstallTest, CopyTakesAPlaceThatIsEmpty) {
    ASSERT_TRUE(copy_from(leader.source, replica.fixture.disk));
    ASSERT_TRUE(install_copy(replica.fixture.disk, copy_directory));
    replica.expect_nothing_beside();
    EXPECT_FALSE(replica.is_old(leader));
}

TEST_F(CopyInstallTest, StartWithoutACopyChangesNothing) {
    ASSERT_TRUE(finish_install(replica.fixture.disk, copy_directory));
    replica.make_old(12);
    ASSERT_TRUE(finish_install(replica.fixture.disk, copy_directory));
    const auto installed = install_copy(replica.fixture.disk, copy_directory);
    ASSERT_FALSE(installed);
    EXPECT_EQ(installed.error().code, Errc::not_found);
    EXPECT_TRUE(replica.is_old(leader));
}

TEST_F(CopyInstallTest, CopyThatIsNotCompleteStaysForTheNextTry) {
    replica.make_old(12);
    leader.source.connection_ends_at = 7;
    ASSERT_FALSE(copy_from(leader.source, replica.fixture.disk));
    ASSERT_TRUE(finish_install(replica.fixture.disk, copy_directory));
    EXPECT_TRUE(replica.has(shard_paths.incoming_log));
    EXPECT_TRUE(replica.is_old(leader));
}

TEST_F(CopyInstallTest, PowerLossAtAnyCallLeavesOneOfTheTwoWhole) {
    bool was_old = false;
    bool was_new = false;
    bool is_done = false;
    for (std::uint64_t calls = 0; !is_done && !HasFailure(); ++calls) {
        SCOPED_TRACE("power goes after " + std::to_string(calls) + " calls");
        CopyReplica other(calls + 1);
        other.make_old(12);
        auto& disk = other.fixture.disk;
        PowerCut power(disk, calls);
        const auto copied = copy_from(leader.source, power);
        is_done = copied && install_copy(power, copy_directory);
        other.fixture.crash();
        ASSERT_TRUE(finish_install(disk, copy_directory));
        EXPECT_FALSE(other.has(shard_paths.old));
        const bool is_old = other.is_old(leader);
        was_old |= is_old;
        was_new |= !is_old && !is_done;
        if (is_old) {
            ASSERT_TRUE(copy_from(leader.source, disk));
            leader.expect_copied(disk);
            ASSERT_TRUE(install_copy(disk, copy_directory));
        }
        other.expect_nothing_beside();
        EXPECT_FALSE(other.is_old(leader));
    }
    EXPECT_TRUE(was_old);
    EXPECT_TRUE(was_new);
}

TEST_F(CopyInstallTest, PowerLossWhileAStartEndsItLosesNothing) {
    bool is_installed = false;
    for (std::uint64_t calls = 0; !is_installed && !HasFailure(); ++calls) {
        bool is_finished = false;
        for (std::uint64_t later = 0; !is_finished && !HasFailure(); ++later) {
            SCOPED_TRACE("power goes after " + std::to_string(calls) + " and " +
                         std::to_string(later) + " calls");
            CopyReplica other(calls + 1);
            other.make_old(3);
            auto& disk = other.fixture.disk;
            ASSERT_TRUE(copy_from(leader.source, disk));
            PowerCut first(disk, calls);
            is_installed = install_copy(first, copy_directory).has_value();
            disk.crash();
            PowerCut second(disk, later);
            is_finished = finish_install(second, copy_directory).has_value();
            disk.crash();
            other.expect_start_loses_nothing(leader);
        }
    }
}

TEST_F(CopyInstallTest, CopyIsNotTouchedWhileItWaitsToBeInstalled) {
    replica.make_old(12);
    auto& disk = replica.fixture.disk;
    ASSERT_TRUE(copy_from(leader.source, disk));
    PowerCut power(disk, 3);
    ASSERT_FALSE(install_copy(power, copy_directory));
    ASSERT_TRUE(replica.has(shard_paths.incoming_mark));
    const auto copied = copy_from(leader.source, disk);
    ASSERT_FALSE(copied);
    EXPECT_EQ(copied.error().code, Errc::conflict);
    ASSERT_TRUE(finish_install(disk, copy_directory));
    EXPECT_FALSE(replica.is_old(leader));
}

TEST_F(CopyInstallTest, OldShardIsPutBackWhereItsCopyIsNotComplete) {
    replica.make_old(12);
    auto& disk = replica.fixture.disk;
    ASSERT_TRUE(copy_from(leader.source, disk));
    ASSERT_TRUE(disk.rename(shard_paths.directory, shard_paths.old));
    ASSERT_TRUE(finish_install(disk, copy_directory));
    EXPECT_TRUE(replica.is_old(leader));
}

class SilentOwner final : public StoreEvents {
  public:
    void on_recovered_frame(const FrameView& /*frame*/,
                            FramePlace /*place*/,
                            bool /*in_state*/) override {}
    void on_durable(CommitSequence /*commit*/) override {}
    void on_failed(const Error& /*error*/) override {}
    void on_checkpoint(StateWriter& /*state*/) override {}
};

/// On a real file system, with an index in the shard's directory.
TEST_F(CopyInstallTest, PlainOpenBuildsTheIndexOfTheCopy) {
    const auto root =
        std::filesystem::path(::testing::TempDir()) / ("copy-" + std::to_string(::getpid()));
    const auto directory = (root / "shard-00").string();
    auto options = leader.fixture.options;
    options.directory = directory;
    options.index_in_memory = false;
    PosixDisk disk;
    SilentOwner owner;
    const auto open_store = [&] {
        return ShardStore::open(
            disk, replica.fixture.clock, replica.fixture.metrics, options, owner);
    };
    ASSERT_TRUE(open_store());
    ASSERT_TRUE(std::filesystem::exists(directory + "/index/CURRENT"));
    ASSERT_TRUE(copy_from(leader.source, disk, directory));
    ASSERT_TRUE(install_copy(disk, directory));
    EXPECT_FALSE(std::filesystem::exists(directory + "/index"));
    EXPECT_THAT(disk.list(root.string()).value(), ::testing::ElementsAre("shard-00"));
    {
        const auto opened = open_store();
        ASSERT_TRUE(opened) << opened.error().text;
        EXPECT_EQ(opened.value()->stats().frames_quarantined, 0U);
        for (std::uint32_t p = 0; p < CopyLeader::partitions; ++p) {
            EXPECT_EQ(opened.value()->bounds(PartitionId{p}).next.value,
                      leader.fixture.store->bounds(PartitionId{p}).next.value);
        }
    }
    std::filesystem::remove_all(root);
}

void expect_directories_move(Disk& disk, const std::string& root) {
    const auto create = [&disk](const std::string& directory) {
        ASSERT_TRUE(disk.make_directories(directory));
        ASSERT_TRUE(disk.open(directory + "/file", OpenMode::create));
    };
    create(root + "/a/sub");
    create(root + "/ab");
    EXPECT_TRUE(disk.exists(root + "/a").value());
    EXPECT_TRUE(disk.exists(root + "/a/sub/file").value());
    EXPECT_FALSE(disk.exists(root + "/b").value());
    ASSERT_TRUE(disk.rename(root + "/a", root + "/b"));
    EXPECT_FALSE(disk.exists(root + "/a").value());
    EXPECT_TRUE(disk.exists(root + "/b/sub/file").value());
    const auto nothing = disk.rename(root + "/a", root + "/c");
    ASSERT_FALSE(nothing);
    EXPECT_EQ(nothing.error().code, Errc::not_found);
    EXPECT_FALSE(disk.rename(root + "/b", root + "/ab"));
    ASSERT_TRUE(disk.remove_directory(root + "/b"));
    EXPECT_FALSE(disk.exists(root + "/b").value());
    EXPECT_TRUE(disk.exists(root + "/ab/file").value());
    EXPECT_TRUE(disk.remove_directory(root + "/b"));
}

TEST(DiskDirectories, MoveAndGoWithAllThatIsInThem) {
    SimDisk simulated(1);
    expect_directories_move(simulated, "/data");
    const auto root =
        std::filesystem::path(::testing::TempDir()) / ("disk-" + std::to_string(::getpid()));
    PosixDisk plain;
    expect_directories_move(plain, root.string());
    std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace millrace::storage::testing
