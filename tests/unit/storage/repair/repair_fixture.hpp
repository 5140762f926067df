#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/unit/storage/store_fixture.hpp"

#include "storage/repair/entry_source.hpp"
#include "storage/repair/segment_repair.hpp"

namespace millrace::storage::testing {

/// The log of another replica as a source, without a network between.
class StoreEntries final : public EntrySource {
  public:
    explicit StoreEntries(StoreFixture& peer) : peer_(peer) {}

    [[nodiscard]] Result<std::vector<std::byte>> fetch(const EntryRequest& request) override;

    std::vector<EntryRequest> fetched;
    std::function<Result<void>()> refuse;                           ///< may be empty
    std::function<void(std::vector<std::byte>& image)> in_transit;  ///< the same

  private:
    StoreFixture& peer_;
};

/// Two replicas of which each has gathered the same entries into commits and segments of its own.
class ReplicaPair {
  public:
    static constexpr std::uint32_t partitions = 3;

    ReplicaPair();
    /// Each of some records and a row, in a commit here and with others on the other side.
    void publish(int rounds);
    [[nodiscard]] static std::string path_of(std::uint64_t segment);
    /// Where something lies in a segment's file.
    struct Place {
        std::uint64_t commit = 0;
        std::uint64_t commit_bytes = 0;
        std::vector<std::uint64_t> frames;
    };
    [[nodiscard]] std::vector<Place> places(std::uint64_t segment) const;
    /// One bit of each of these bytes.
    void damage(std::uint64_t segment, std::uint64_t position, std::uint64_t bytes = 1);
    /// Has the segment read through, which finds it.
    void find_damage(std::uint64_t segment);
    [[nodiscard]] Result<RepairOutcome> repair(Disk& disk);
    /// The next of what is damaged, to its end.
    [[nodiscard]] Result<RepairOutcome> repair() { return repair(own.disk); }
    void expect_all_records();
    /// But for the times in commit headers, the file is what it was.
    void expect_same_file(std::uint64_t segment, const std::vector<std::byte>& before) const;

    StoreFixture own{1};
    StoreFixture peer{2};
    StoreEntries source{peer};

  private:
    int rounds_ = 0;
};

}  // namespace millrace::storage::testing
