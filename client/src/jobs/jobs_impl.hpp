#pragma once

#include <memory>
#include <utility>

#include "client/src/core.hpp"
#include "millrace/jobs.hpp"

namespace millrace {

class Jobs::Impl {
  public:
    explicit Impl(std::shared_ptr<client::Core> made_core) : core(std::move(made_core)) {}
    std::shared_ptr<client::Core> core;
};

}  // namespace millrace
