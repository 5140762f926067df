#pragma once

#include <chrono>

#include "tests/stand_ins/odoo_sim/records/methods.hpp"

namespace millrace::stand_ins {

/// Whether a method of every model changes nothing.
[[nodiscard]] bool is_reading(const std::string& method);

/// How long a worker of the measured server, which had two, was busy with such a call while it had
/// so many calls at a time.
[[nodiscard]] std::chrono::milliseconds measured_latency(const MethodCall& call,
                                                         std::size_t callers = 1);

}  // namespace millrace::stand_ins
