#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "client/wire/record_batch.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker {

/// What a producer's batch says of itself.
struct ProducerBatch {
    std::int64_t producer_id = -1;
    std::int16_t epoch = 0;
    std::int32_t base_sequence = -1;
    std::uint32_t record_count = 0;
    [[nodiscard]] std::int32_t last_sequence() const;
};

/// Where a batch went. `proposal` tells who may still be waiting for it.
struct AcceptedBatch {
    std::int32_t base_sequence = -1;
    std::int32_t last_sequence = -1;
    Offset base_offset;
    UnixMicros append_time_us = 0;
    std::uint64_t proposal = 0;
};

/// The producers of one partition: the last batches of each, so that a batch sent again is
/// recognised.
///
/// Promise:  a batch that is remembered is never accepted twice; a gap in a known producer's
/// sequences is refused. At most `producers_max` producers, the one
///           longest silent goes first.
/// Threads:  the shard's.
class ProducerTable {
  public:
    explicit ProducerTable(std::size_t producers_max) : producers_max_(producers_max) {}

    enum class Verdict : std::uint8_t { fresh, duplicate, gap, too_old };
    struct Judgement {
        Verdict verdict = Verdict::fresh;
        AcceptedBatch first;  ///< of a duplicate
        std::int32_t expected_sequence = 0;
    };
    [[nodiscard]] Judgement judge(const ProducerBatch& batch) const;
    void add(const ProducerBatch& batch, AcceptedBatch accepted);

    /// An entry that never became durable: its batches were never here.
    void drop_proposal(std::uint64_t proposal);

    /// Only what is kept: what is not committed yet must not be taken for a duplicate after a
    /// crash.
    using IsKept = std::function<bool(const AcceptedBatch& batch)>;
    [[nodiscard]] std::string format(const IsKept& is_kept) const;
    /// Errors: corrupt.
    [[nodiscard]] Result<void> parse(std::string_view text);
    [[nodiscard]] std::size_t size() const { return producers_.size(); }

  private:
    static constexpr std::size_t remembered = wire::producer_batches_in_flight_max;
    struct Producer {
        std::int16_t epoch = 0;
        std::array<AcceptedBatch, remembered> batches{};  ///< oldest first
        std::size_t count = 0;
        std::list<std::int64_t>::iterator age;
    };
    /// Null where nothing is known of it.
    [[nodiscard]] const Producer* find(std::int64_t id) const;
    [[nodiscard]] Producer& make_latest(std::int64_t id);
    static void remember(Producer& producer, const AcceptedBatch& batch);
    void append_rows(std::string& text, std::int64_t id, const IsKept& is_kept) const;

    /// Who published last, most often who publishes next: found without a look into the tables.
    struct Latest {
        std::int64_t id = -1;
        Producer* producer = nullptr;
    };

    std::size_t producers_max_;
    Latest latest_;
    std::unordered_map<std::int64_t, Producer> producers_;
    std::list<std::int64_t> by_age_;  ///< longest silent first
};

}  // namespace millrace::broker
