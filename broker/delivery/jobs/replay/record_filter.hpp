#pragma once

#include <optional>
#include <string>

#include "broker/delivery/jobs/jobs.hpp"
#include "broker/delivery/rules/subscription_filter.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker::delivery {

/// Where a record lies in the log.
struct RecordOrigin {
    std::string topic;
    std::uint32_t partition_index = 0;
    Offset offset;
    UnixMicros append_time_us = 0;
};

/// Accepts records by what a replay names beside topics and window.
///
/// Threads:  one at a time.
class RecordFilter {
  public:
    /// Errors: invalid_argument for a program that jq does not accept.
    [[nodiscard]] static Result<RecordFilter> make(const ReplaySpec& spec);
    /// A program that fails on a record does not want it.
    [[nodiscard]] bool wants(const wire::RecordView& record, const RecordOrigin& origin) const;

  private:
    explicit RecordFilter(const ReplaySpec& spec) : key_(spec.key), headers_(spec.headers) {}
    std::string key_;
    std::vector<std::pair<std::string, std::string>> headers_;
    std::optional<SubscriptionFilter> where_;  ///< the same document
};

}  // namespace millrace::broker::delivery
