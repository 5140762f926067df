#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace {

/// What the broker or the library says went wrong. `code` is the number of docs/protocol.md, `name`
/// its word.
class ClientError : public std::runtime_error {
  public:
    ClientError(std::uint16_t code, std::string name, const std::string& text)
        : std::runtime_error(text), code_(code), name_(std::move(name)) {}

    [[nodiscard]] std::uint16_t code() const noexcept { return code_; }
    [[nodiscard]] const std::string& name() const noexcept { return name_; }
    /// True when the same call may succeed later.
    [[nodiscard]] bool is_retryable() const noexcept { return code_ >= 40 && code_ < 50; }

  private:
    std::uint16_t code_;
    std::string name_;
};

struct Header {
    std::string key;
    std::string value;
    bool operator==(const Header&) const = default;
};

/// What a producer sends. Without a partition the key decides (xxHash), without a key they go in
/// turns.
struct OutgoingRecord {
    std::optional<std::string> key;
    std::string value;
    std::vector<Header> headers;
    std::int64_t event_time_us = 0;  ///< 0: now
    std::optional<std::uint32_t> partition;
};

/// What an ack of a topic's records stands for: they are on the disks of a majority of the nodes,
/// or on that of the node that leads. With `leader` an acked record may be gone, or its offset be
/// another record's, after that node has died; on a node that stands alone both are the same.
enum class Durability : std::uint8_t { majority = 0, leader = 1 };

/// Where a record lies; what a producer gets once it is durable.
struct RecordPlace {
    std::uint32_t partition = 0;
    std::uint64_t offset = 0;
    std::int64_t append_time_us = 0;
    bool duplicate = false;  ///< the broker had it already; this is the first one's place
    Durability durability = Durability::majority;  ///< what this answer stands for
};

/// A header of a `Record`.
struct HeaderView {
    std::string_view key;
    std::string_view value;
    bool operator==(const HeaderView&) const = default;
};

/// What a consumer gets. Its texts lie in `memory`, as they came from the broker, together with
/// those of other records: as long as one of them or a copy is there, so are all their bytes, up to
/// what was fetched at a time. Who keeps a few of many for long copies what it needs.
struct Record {
    std::string_view topic;
    std::uint32_t partition = 0;
    std::uint64_t offset = 0;
    std::int64_t append_time_us = 0;
    std::int64_t event_time_us = 0;
    std::optional<std::string_view> key;
    std::string_view value;
    std::vector<HeaderView> headers;
    std::shared_ptr<const void> memory;
};

enum class Criticality : std::uint8_t { bulk = 0, standard = 1, critical = 2 };
enum class Lifecycle : std::uint8_t { draft = 0, active = 1, deprecated = 2, retired = 3 };

struct TopicPartition {
    std::uint32_t index = 0;
    std::uint32_t partition_id = 0;
    std::uint32_t shard = 0;
    std::uint64_t first_offset = 0;  ///< filled by describe
    std::uint64_t next_offset = 0;
    std::uint64_t live_bytes = 0;
    std::uint32_t group = 0;  ///< of consensus, which carries it; ClusterStatus says who leads it
};

struct TopicDescription {
    std::string name;
    std::uint32_t partition_count = 1;
    std::uint64_t retention_ms = 0;     ///< 0: for ever
    std::uint64_t retention_bytes = 0;  ///< 0: no limit
    Criticality criticality = Criticality::standard;
    Lifecycle lifecycle = Lifecycle::active;
    std::string owner;
    std::string description;
    std::uint32_t record_bytes_max = 0;  ///< 0: the broker's limit
    std::string replaced_by;
    std::int64_t created_us = 0;
    std::vector<TopicPartition> partitions;
    /// How long an event-id is remembered; 0: not at all.
    std::uint64_t duplicate_window_ms = 86'400'000;
    /// Old records of a partition are made to lie side by side, for fast replays of one partition.
    bool clustered = false;
    Durability durability = Durability::majority;
};

/// What is set replaces what stands.
struct TopicChange {
    std::optional<std::uint32_t> partition_count;  ///< may only grow
    std::optional<std::uint64_t> retention_ms;
    std::optional<std::uint64_t> retention_bytes;
    std::optional<Criticality> criticality;
    std::optional<Lifecycle> lifecycle;
    std::optional<std::string> owner;
    std::optional<std::string> description;
    std::optional<std::uint32_t> record_bytes_max;
    std::optional<std::string> replaced_by;
    std::optional<std::uint64_t> duplicate_window_ms;
    std::optional<bool> clustered;
    std::optional<Durability> durability;
};

enum class StartAt : std::uint8_t { earliest = 0, latest = 1, time = 2 };
struct StartPosition {
    StartAt at = StartAt::earliest;
    std::int64_t time_us = 0;
};

enum class Compression : std::uint8_t { none = 0, lz4 = 3, zstd = 4 };  ///< Kafka's codec numbers

}  // namespace millrace
