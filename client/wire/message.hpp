#pragma once

#include <span>
#include <vector>

#include <flatbuffers/flatbuffers.h>

#include "client/wire/frame.hpp"
#include "client/wire/named_bytes.hpp"

namespace millrace::wire {

/// A table takes a word of its own and one that points to it.
inline constexpr std::size_t table_bytes_min = 8;

/// The table of a frame, verified. Errors: malformed, also for one that would unpack to more text
/// than it has bytes.
template <class Table>
[[nodiscard]] Result<const Table*> verify_table(std::span<const std::byte> bytes) {
    const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    const auto tables_max = static_cast<flatbuffers::uoffset_t>(bytes.size() / table_bytes_min);
    flatbuffers::Verifier verifier(data, bytes.size(), /*max_depth=*/16, tables_max);
    if (bytes.size() < 8 || !verifier.VerifyBuffer<Table>(nullptr)) {
        return fail(Errc::malformed, "the frame's table does not verify");
    }
    const auto* const table = flatbuffers::GetRoot<Table>(data);
    static const bool shares = can_share(*Table::MiniReflectTypeTable());
    if (shares && named_bytes(*reinterpret_cast<const flatbuffers::Table*>(table),
                              *Table::MiniReflectTypeTable(),
                              bytes.size()) > bytes.size()) {
        return fail(Errc::malformed, "the frame's table names its parts more than once");
    }
    return table;
}

/// A verified table as plain members (flatc's object API).
template <class Table>
[[nodiscard]] Result<typename Table::NativeTableType> parse_message(
    std::span<const std::byte> bytes) {
    MILLRACE_TRY(const auto* const table, verify_table<Table>(bytes));
    typename Table::NativeTableType message;
    table->UnPackTo(&message);
    return message;
}

/// A finished table of plain members; `use` gets its bytes, which go with the call.
template <class Native, class Use>
[[nodiscard]] auto with_table(const Native& message, const Use& use) {
    flatbuffers::FlatBufferBuilder builder(256);
    builder.Finish(Native::TableType::Pack(builder, &message));
    return use(std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())));
}

/// A frame of plain members and record bytes.
template <class Native>
[[nodiscard]] std::vector<std::byte> format_message(
    const FrameHeader& header,
    const Native& message,
    std::span<const std::span<const std::byte>> raw_pieces = {}) {
    return with_table(message, [&](auto table) { return format_frame(header, table, raw_pieces); });
}

/// The same up to its record bytes; see `format_frame_head`.
template <class Native>
[[nodiscard]] std::vector<std::byte> format_message_head(const FrameHeader& header,
                                                         const Native& message,
                                                         std::size_t raw_bytes) {
    return with_table(message,
                      [&](auto table) { return format_frame_head(header, table, raw_bytes); });
}

}  // namespace millrace::wire
