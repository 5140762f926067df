#pragma once

#include <chrono>

#include "tests/stand_ins/odoo_sim/records/methods.hpp"

namespace millrace::stand_ins {

/// How long a worker of the measured server was busy with such a call.
[[nodiscard]] std::chrono::milliseconds measured_latency(const MethodCall& call);

}  // namespace millrace::stand_ins
