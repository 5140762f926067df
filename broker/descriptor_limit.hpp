#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace millrace::broker {

/// Lets this process have as many files and sockets open as it may without asking anybody: raises
/// the soft limit to the hard one. Returns what holds then.
std::uint64_t raise_descriptor_limit();

/// What to tell the operator where so many descriptors are too few for that many connections.
[[nodiscard]] std::optional<std::string> find_descriptor_shortage(std::uint64_t descriptors,
                                                                  std::uint64_t connections);

}  // namespace millrace::broker
