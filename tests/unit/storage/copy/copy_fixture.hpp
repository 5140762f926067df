#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tests/unit/storage/store_fixture.hpp"

#include "storage/base/random.hpp"
#include "storage/copy/segment_source.hpp"

namespace millrace::storage::testing {

/// Of every store here, each on a disk of its own.
inline constexpr const char* copy_directory = "/data/shard-00";

/// The leader's store as a source, without a network between.
class StoreSource final : public SegmentSource {
  public:
    explicit StoreSource(StoreFixture& leader) : leader_(leader) {}

    [[nodiscard]] Result<std::vector<SegmentExtent>> list() override;
    [[nodiscard]] Result<std::vector<std::byte>> read(const SegmentRead& request) override;
    void doubt(const SegmentExtent& extent) override;

    /// Called before each read with its number, from 0 on.
    std::function<void(std::size_t number)> before_read;
    /// May change what arrives.
    std::function<void(const SegmentRead& request, std::span<std::byte> bytes)> in_transit;
    /// The number of the first read for which there is no connection.
    std::size_t connection_ends_at = SIZE_MAX;
    std::size_t lists = 0;
    std::size_t reads = 0;
    std::vector<SegmentExtent> listed;  ///< the last time

  private:
    StoreFixture& leader_;
};

/// A store with records of a few partitions and some rows of state, in segments that are full,
/// rewritten or open.
class CopyLeader {
  public:
    static constexpr std::uint32_t partitions = 5;

    CopyLeader();
    /// Each of a record for every partition and a row.
    void publish(int rounds);
    /// Has full segments rewritten.
    void cluster();
    /// The replica answers as the leader does.
    void expect_same(StoreFixture& replica);
    /// What `copy_shard` left on the disk is what was listed last, no more and no less, and
    /// durable.
    void expect_copied(const SimDisk& disk) const;

    StoreFixture fixture;
    StoreSource source{fixture};
    std::vector<std::string> published;

  private:
    Random random_{3};
    int next_ = 0;
};

/// Copies in small steps.
[[nodiscard]] Result<void> copy_from(SegmentSource& source,
                                     Disk& disk,
                                     const std::string& directory = copy_directory);

}  // namespace millrace::storage::testing
