#pragma once

#include <cstddef>

namespace flatbuffers {
class Table;
struct TypeTable;
}  // namespace flatbuffers

namespace millrace::wire {

/// Whether a table of this type can name one string or vector more often than it has bytes for: it
/// holds, at any depth, a vector of strings or of tables.
[[nodiscard]] bool can_share(const flatbuffers::TypeTable& type);

/// Bytes of all strings and vectors that a verified table names, each counted as often as it is
/// named; counting ends once it is beyond `limit`. A table that a builder made names no more bytes
/// than it has, while a hostile one of 1 MiB, whose elements all point to one string, would unpack
/// to gigabytes.
[[nodiscard]] std::size_t named_bytes(const flatbuffers::Table& table,
                                      const flatbuffers::TypeTable& type,
                                      std::size_t limit);

}  // namespace millrace::wire
