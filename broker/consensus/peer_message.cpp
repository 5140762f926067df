#include "broker/consensus/peer_message.hpp"

#include <array>
#include <cstdint>
#include <cstring>

#include <xxhash.h>

#include "broker/consensus/raft_bytes.hpp"
#include "storage/base/bytes.hpp"
#include "storage/base/units.hpp"

namespace millrace::broker::consensus {
namespace {

constexpr std::size_t type_at = 8;
constexpr std::size_t flags_at = 10;
constexpr std::size_t count_at = 12;
constexpr std::size_t numbers_at = 16;
constexpr std::size_t header_bytes = 48;
constexpr std::size_t entry_bytes = 16;
constexpr std::size_t padding = 8;

constexpr std::uint16_t flag_disrupts = 1;
constexpr std::uint16_t flag_pre_vote = 2;
constexpr std::uint16_t flag_granted = 4;
constexpr unsigned tribool_shift = 3;

using Numbers = std::array<std::uint64_t, 4>;

/// What of a message is neither its type nor its entries.
struct Fields {
    std::uint16_t flags = 0;
    Numbers numbers{};
};

Fields fields_of(const raft_message& message) {
    switch (message.type) {
        case RAFT_IO_APPEND_ENTRIES: {
            const auto& append = message.append_entries;
            return {.numbers = {append.term,
                                append.prev_log_index,
                                append.prev_log_term,
                                append.leader_commit}};
        }
        case RAFT_IO_APPEND_ENTRIES_RESULT: {
            const auto& result = message.append_entries_result;
            return {.numbers = {result.term, result.rejected, result.last_log_index, 0}};
        }
        case RAFT_IO_REQUEST_VOTE: {
            const auto& vote = message.request_vote;
            const auto flags =
                (vote.disrupt_leader ? flag_disrupts : 0) | (vote.pre_vote ? flag_pre_vote : 0);
            return {
                .flags = static_cast<std::uint16_t>(flags),
                .numbers = {vote.term, vote.candidate_id, vote.last_log_index, vote.last_log_term}};
        }
        case RAFT_IO_REQUEST_VOTE_RESULT: {
            const auto& result = message.request_vote_result;
            const auto flags = (result.vote_granted ? flag_granted : 0U) |
                               (static_cast<unsigned>(result.pre_vote) << tribool_shift);
            return {.flags = static_cast<std::uint16_t>(flags), .numbers = {result.term, 0, 0, 0}};
        }
        case RAFT_IO_INSTALL_SNAPSHOT: {
            const auto& install = message.install_snapshot;
            return {.numbers = {install.term, install.last_index, install.last_term, 0}};
        }
        default: {
            const auto& timeout = message.timeout_now;
            return {.numbers = {timeout.term, timeout.last_log_index, timeout.last_log_term, 0}};
        }
    }
}

/// False where libraft has no such answer.
bool set_vote_result(raft_message& message, const Fields& fields) {
    const auto pre_vote = static_cast<unsigned>(fields.flags) >> tribool_shift;
    if (pre_vote > raft_tribool_false) {
        return false;
    }
    message.request_vote_result = {.term = fields.numbers[0],
                                   .vote_granted = (fields.flags & flag_granted) != 0,
                                   .pre_vote = static_cast<raft_tribool>(pre_vote)};
    return true;
}

/// False where the type is none.
bool set_fields(raft_message& message, const Fields& fields) {
    const auto& [first, second, third, fourth] = fields.numbers;
    switch (message.type) {
        case RAFT_IO_APPEND_ENTRIES:
            message.append_entries = {.term = first,
                                      .prev_log_index = second,
                                      .prev_log_term = third,
                                      .leader_commit = fourth,
                                      .entries = nullptr,
                                      .n_entries = 0};
            return true;
        case RAFT_IO_APPEND_ENTRIES_RESULT:
            message.append_entries_result = {
                .term = first, .rejected = second, .last_log_index = third};
            return true;
        case RAFT_IO_REQUEST_VOTE:
            message.request_vote = {.term = first,
                                    .candidate_id = second,
                                    .last_log_index = third,
                                    .last_log_term = fourth,
                                    .disrupt_leader = (fields.flags & flag_disrupts) != 0,
                                    .pre_vote = (fields.flags & flag_pre_vote) != 0};
            return true;
        case RAFT_IO_REQUEST_VOTE_RESULT:
            return set_vote_result(message, fields);
        case RAFT_IO_INSTALL_SNAPSHOT:
            message.install_snapshot = {.term = first,
                                        .last_index = second,
                                        .last_term = third,
                                        .conf = {.servers = nullptr, .n = 0},
                                        .conf_index = 0,
                                        .data = {.base = nullptr, .len = 0}};
            return true;
        case RAFT_IO_TIMEOUT_NOW:
            message.timeout_now = {.term = first, .last_log_index = second, .last_log_term = third};
            return true;
        default:
            return false;
    }
}

std::span<const raft_entry> entries_of(const raft_message& message) {
    return message.type == RAFT_IO_APPEND_ENTRIES
               ? std::span<const raft_entry>(message.append_entries.entries,
                                             message.append_entries.n_entries)
               : std::span<const raft_entry>();
}

bool is_entry_type(std::uint16_t type) {
    return type == RAFT_COMMAND || type == RAFT_BARRIER || type == RAFT_CHANGE;
}

/// The entries of a message whose lengths were checked, in one piece of memory as libraft wants it.
void take_entries(std::span<const std::byte> table,
                  std::span<const std::byte> contents,
                  std::size_t count,
                  raft_append_entries& append) {
    if (count == 0) {
        return;
    }
    auto* const batch = raft_copy(contents);
    append.entries = static_cast<raft_entry*>(raft_calloc(count, sizeof(raft_entry)));
    append.n_entries = static_cast<unsigned>(count);
    std::size_t at = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto row = table.subspan(i * entry_bytes, entry_bytes);
        const auto bytes = load_le<std::uint32_t>(row.subspan(12));
        append.entries[i] = {.term = load_le<std::uint64_t>(row),
                             .type = load_le<std::uint16_t>(row.subspan(8)),
                             .buf = {.base = batch + at, .len = bytes},
                             .batch = batch};
        at += align_up(bytes, padding);
    }
}

}  // namespace

std::vector<std::byte> encode_message(const raft_message& message) {
    const auto entries = entries_of(message);
    auto size = header_bytes + entries.size() * entry_bytes;
    for (const auto& entry : entries) {
        size += align_up(entry.buf.len, padding);
    }
    std::vector<std::byte> bytes(size);
    const std::span all(bytes);
    const auto fields = fields_of(message);
    store_le(all.subspan(type_at), message.type);
    store_le(all.subspan(flags_at), fields.flags);
    store_le(all.subspan(count_at), static_cast<std::uint32_t>(entries.size()));
    for (std::size_t i = 0; i < fields.numbers.size(); ++i) {
        store_le(all.subspan(numbers_at + i * sizeof(std::uint64_t)), fields.numbers[i]);
    }
    auto row = all.subspan(header_bytes);
    auto content = row.subspan(entries.size() * entry_bytes);
    for (const auto& entry : entries) {
        store_le(row, std::uint64_t{entry.term});
        store_le(row.subspan(8), std::uint16_t{entry.type});
        store_le(row.subspan(12), static_cast<std::uint32_t>(entry.buf.len));
        row = row.subspan(entry_bytes);
        std::memcpy(content.data(), entry.buf.base, entry.buf.len);
        content = content.subspan(align_up(entry.buf.len, padding));
    }
    store_le(all, std::uint64_t{XXH3_64bits(bytes.data() + type_at, size - type_at)});
    return bytes;
}

Result<raft_message> decode_message(std::span<const std::byte> bytes) {
    if (bytes.size() < header_bytes) {
        return fail(Errc::malformed, "a message between replicas is shorter than its header");
    }
    if (load_le<std::uint64_t>(bytes) !=
        XXH3_64bits(bytes.data() + type_at, bytes.size() - type_at)) {
        return fail(Errc::checksum_mismatch, "a message between replicas does not verify");
    }
    Fields fields{.flags = load_le<std::uint16_t>(bytes.subspan(flags_at))};
    for (std::size_t i = 0; i < fields.numbers.size(); ++i) {
        fields.numbers[i] =
            load_le<std::uint64_t>(bytes.subspan(numbers_at + i * sizeof(std::uint64_t)));
    }
    raft_message message{};
    message.type = load_le<std::uint16_t>(bytes.subspan(type_at));
    const std::size_t count = load_le<std::uint32_t>(bytes.subspan(count_at));
    const auto rest = bytes.subspan(header_bytes);
    const bool may_have_entries = message.type == RAFT_IO_APPEND_ENTRIES;
    if (!set_fields(message, fields) || (count > 0 && !may_have_entries) ||
        count > rest.size() / entry_bytes) {
        return fail(Errc::malformed, "a message between replicas says what none can say");
    }
    const auto table = rest.first(count * entry_bytes);
    const auto contents = rest.subspan(table.size());
    std::size_t claimed = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto row = table.subspan(i * entry_bytes, entry_bytes);
        const std::size_t length = load_le<std::uint32_t>(row.subspan(12));
        claimed += align_up(length, padding);
        const auto type = load_le<std::uint16_t>(row.subspan(8));
        if (!is_entry_type(type) || (type == RAFT_COMMAND && length < padding)) {
            return fail(Errc::malformed, "a message between replicas has an entry that is none");
        }
    }
    if (claimed != contents.size()) {
        return fail(Errc::malformed, "a message between replicas has another length than it says");
    }
    if (may_have_entries) {
        take_entries(table, contents, count, message.append_entries);
    }
    return message;
}

void drop_message(raft_message& message) {
    if (message.type == RAFT_IO_APPEND_ENTRIES && message.append_entries.n_entries > 0) {
        raft_free(message.append_entries.entries[0].batch);
        raft_free(message.append_entries.entries);
    }
}

}  // namespace millrace::broker::consensus
