#pragma once

#include <cstdint>
#include <string>

#include "client/expressions/jq_program.hpp"
#include "client/wire/record.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"

namespace millrace::broker::delivery {

/// Where a record that is looked at lies.
struct RecordPlacement {
    PartitionId id;
    std::string_view topic;
    std::uint32_t partition_index = 0;
    Offset offset;
    UnixMicros append_time_us = 0;
};

/// Decides with a jq program which records a subscription wants.
///
/// The program sees `topic`, `partition`, `offset`, `append_time_us`, `event_time_us`, `key`,
/// `headers` and `value`; a value that is no JSON is a string.
/// Threads:  one at a time.
class SubscriptionFilter {
  public:
    /// Errors: invalid_argument with jq's own words.
    [[nodiscard]] static Result<SubscriptionFilter> make(const std::string& program);

    enum class Verdict : std::uint8_t { wanted, unwanted, failed };
    struct Judged {
        Verdict verdict = Verdict::failed;
        std::string fault;  ///< of a program that failed: jq's own words
    };
    /// Wanted when the first thing the program gives is neither false nor null. A program that
    /// fails on a record, or gives nothing, does not want it.
    [[nodiscard]] Judged judge(const wire::RecordView& record,
                               const RecordPlacement& placement) const;

  private:
    explicit SubscriptionFilter(expressions::JqProgram program) : program_(std::move(program)) {}
    expressions::JqProgram program_;
};

}  // namespace millrace::broker::delivery
