#pragma once

#include <memory>
#include <unordered_map>

#include "client/src/core.hpp"
#include "client/src/decode.hpp"
#include "millrace/admin.hpp"

namespace millrace {

class Admin::Impl {
  public:
    explicit Impl(std::shared_ptr<client::Core> made_core) : core(std::move(made_core)) {}
    /// Names of all partitions that exist now.
    [[nodiscard]] client::PartitionNames partition_names() const;
    std::shared_ptr<client::Core> core;
};

}  // namespace millrace
