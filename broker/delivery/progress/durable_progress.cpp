#include "broker/delivery/progress/durable_progress.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "client/wire/varint.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::string_view retry_mark = "/r/";
constexpr std::string_view chunk_mark = "/s/";
constexpr std::size_t number_digits = 16;

/// So many hexadecimal digits that rows lie in the order of their numbers.
std::string row_name(std::string_view mark, std::uint64_t number) {
    std::array<char, number_digits> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
    const std::string_view text(digits.data(), static_cast<std::size_t>(end - digits.data()));
    std::string name(mark);
    name.append(number_digits - text.size(), '0');
    return name.append(text);
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number, 16);
    const bool is_whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
    return is_whole ? std::optional(number) : std::nullopt;
}

std::span<const std::byte> bytes_of(std::string_view row) {
    return std::as_bytes(std::span(row.data(), row.size()));
}

std::string_view text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Error unreadable(const char* what, std::string_view name) {
    return fail(Errc::corrupt,
                std::string("a row of ") + what + " does not parse: " + std::string(name));
}

std::vector<std::byte> format_retry(const Retry& retry) {
    std::vector<std::byte> row;
    wire::append_varint(row, retry.attempts);
    wire::append_varint(row, retry.not_before_us);
    wire::append_varint(row, retry.first_failure_us);
    for (const auto& failed : retry.reasons) {
        wire::append_varint(row, failed.last_us);
        wire::append_varint(row, failed.count);
        wire::append_varint(row, static_cast<std::int64_t>(failed.cause));
        wire::append_varint(row, static_cast<std::int64_t>(failed.error.size()));
        const auto error = bytes_of(failed.error);
        row.insert(row.end(), error.begin(), error.end());
    }
    return row;
}

/// Nothing for what is none.
std::optional<FailedAttempts> read_failed(wire::ByteReader& in) {
    FailedAttempts failed{.last_us = in.read_varint()};
    const auto count = in.read_varint();
    const auto cause = in.read_varint();
    const auto error = in.read_bytes(static_cast<std::size_t>(in.read_varint()));
    if (in.failed() || !std::in_range<std::uint32_t>(count) || cause < 0 ||
        std::cmp_greater_equal(cause, cause_count)) {
        return std::nullopt;
    }
    failed.count = static_cast<std::uint32_t>(count);
    failed.cause = static_cast<Cause>(cause);
    failed.error.assign(reinterpret_cast<const char*>(error.data()), error.size());
    return failed;
}

/// As `format_retry` made it; rows of an earlier form have no reasons. Nothing for what is none.
std::optional<Retry> parse_retry(std::span<const std::byte> row) {
    wire::ByteReader in(row);
    const auto attempts = in.read_varint();
    Retry retry{.attempts = static_cast<std::uint32_t>(attempts),
                .not_before_us = in.read_varint(),
                .first_failure_us = in.read_varint()};
    if (in.failed() || !std::in_range<std::uint32_t>(attempts)) {
        return std::nullopt;
    }
    while (in.rest_bytes() > 0) {
        auto failed = read_failed(in);
        if (!failed || retry.reasons.size() == failed_reasons_max) {
            return std::nullopt;
        }
        retry.reasons.push_back(*std::move(failed));
    }
    return retry;
}

}  // namespace

const Retry* DurableProgress::find_retry(Offset offset) const {
    const auto found = retries_.find(offset);
    return found == retries_.end() ? nullptr : &found->second;
}

void DurableProgress::begin(std::uint32_t epoch, Offset origin) {
    epoch_ = epoch;
    origin_ = origin;
    settled_ = IntervalSet(origin);
    retries_.clear();
    is_known_ = true;
    is_head_changed_ = true;
    changed_retries_ = stored_retries_;
    changed_chunks_ = stored_chunks_;
}

void DurableProgress::settle(Offset first, std::uint64_t count) {
    settled_.add(first, count);
    note_chunks(first, first + count);
    drop_retries(first, first + count);
    is_head_changed_ = true;
}

/// What the floor has passed needs no row.
void DurableProgress::note_chunks(Offset first, Offset end) {
    first = std::max(first, settled_.floor());
    if (first >= end) {
        return;
    }
    for (auto chunk = first.value / chunk_offsets; chunk <= (end.value - 1) / chunk_offsets;
         ++chunk) {
        changed_chunks_.insert(chunk);
    }
}

void DurableProgress::drop_retries(Offset first, Offset end) {
    for (auto at = retries_.lower_bound(first); at != retries_.end() && at->first < end;) {
        changed_retries_.insert(at->first);
        at = retries_.erase(at);
    }
}

void DurableProgress::keep_retry(Offset offset, Retry retry) {
    if (!settled_.contains(offset)) {
        retries_[offset] = std::move(retry);
        changed_retries_.insert(offset);
        is_head_changed_ = true;
    }
}

Result<void> DurableProgress::restore(std::string_view suffix, std::string_view row) {
    if (suffix.empty()) {
        return restore_head(row);
    }
    if (suffix.starts_with(retry_mark)) {
        return restore_retry(suffix.substr(retry_mark.size()), row);
    }
    if (suffix.starts_with(chunk_mark)) {
        return restore_chunk(suffix.substr(chunk_mark.size()), row);
    }
    return unreadable("unknown kind", suffix);
}

/// The library reports wrong shapes by exceptions; this is the adapter.
Result<void> DurableProgress::restore_head(std::string_view row) {
    try {
        const auto json = nlohmann::json::from_cbor(row);
        begin(json.at("epoch").get<std::uint32_t>(),
              Offset{json.at("origin").get<std::uint64_t>()});
        settled_ = IntervalSet(Offset{json.at("floor").get<std::uint64_t>()});
        is_head_changed_ = false;
        // The earlier form.
        for (const auto& range : json.value("ranges", nlohmann::json::array())) {
            settle(Offset{range.at(0).get<std::uint64_t>()}, range.at(1).get<std::uint64_t>());
        }
        for (const auto& retry : json.value("retries", nlohmann::json::array())) {
            keep_retry(Offset{retry.at(0).get<std::uint64_t>()},
                       {.attempts = retry.at(1).get<std::uint32_t>(),
                        .not_before_us = retry.at(2).get<UnixMicros>(),
                        .first_failure_us = retry.at(3).get<UnixMicros>()});
        }
    } catch (const nlohmann::json::exception& error) {
        *this = {};
        return fail(Errc::corrupt, std::string("a row of progress: ") + error.what());
    }
    return ok();
}

Result<void> DurableProgress::restore_retry(std::string_view name, std::string_view row) {
    const auto offset = parse_number(name);
    auto retry = parse_retry(bytes_of(row));
    if (!offset || !retry) {
        return unreadable("retries", name);
    }
    stored_retries_.insert(Offset{*offset});
    if (!settled_.contains(Offset{*offset})) {
        retries_[Offset{*offset}] = *std::move(retry);
    }
    return ok();
}

Result<void> DurableProgress::restore_chunk(std::string_view name, std::string_view row) {
    const auto chunk = parse_number(name);
    if (!chunk || *chunk > std::numeric_limits<std::uint64_t>::max() / chunk_offsets - 1) {
        return unreadable("settled offsets", name);
    }
    stored_chunks_.insert(*chunk);
    const auto end = (*chunk + 1) * chunk_offsets;
    auto next = *chunk * chunk_offsets;
    wire::ByteReader in(bytes_of(row));
    while (in.rest_bytes() > 0) {
        const auto gap = static_cast<std::uint64_t>(in.read_varint());
        const auto count = static_cast<std::uint64_t>(in.read_varint());
        if (in.failed() || gap > end - next || count > end - next - gap) {
            return unreadable("settled offsets", name);
        }
        settled_.add(Offset{next + gap}, count);
        next += gap + count;
    }
    return ok();
}

std::string DurableProgress::format_chunk(std::uint64_t chunk) const {
    const Offset begin{chunk * chunk_offsets};
    const auto end = begin + chunk_offsets;
    const auto& ranges = settled_.ranges();
    auto at = ranges.upper_bound(begin);
    if (at != ranges.begin() && std::prev(at)->second > begin) {
        --at;
    }
    std::vector<std::byte> row;
    for (auto next = begin; at != ranges.end() && at->first < end; ++at) {
        const auto first = std::max(at->first, begin);
        const auto last = std::min(at->second, end);
        wire::append_varint(row, static_cast<std::int64_t>(first.value - next.value));
        wire::append_varint(row, static_cast<std::int64_t>(last.value - first.value));
        next = last;
    }
    return std::string(text_of(row));
}

void DurableProgress::write(const std::string& prefix, storage::StateWriter& state) {
    if (!std::exchange(is_head_changed_, false)) {
        return;
    }
    std::string row;
    nlohmann::json::to_cbor(
        {{"epoch", epoch_}, {"origin", origin_.value}, {"floor", settled_.floor().value}}, row);
    state.put(prefix, row);
    write_chunks(prefix, state);
    write_retries(prefix, state);
}

void DurableProgress::write_chunks(const std::string& prefix, storage::StateWriter& state) {
    // The floor has passed those in front, and moves in the one where it lies.
    const auto first = settled_.floor().value / chunk_offsets;
    for (auto at = stored_chunks_.begin(); at != stored_chunks_.end() && *at <= first; ++at) {
        changed_chunks_.insert(*at);
    }
    for (const auto chunk : std::exchange(changed_chunks_, {})) {
        const auto ranges = format_chunk(chunk);
        if (!ranges.empty()) {
            state.put(prefix + row_name(chunk_mark, chunk), ranges);
            stored_chunks_.insert(chunk);
        } else if (stored_chunks_.erase(chunk) > 0) {
            state.erase(prefix + row_name(chunk_mark, chunk));
        }
    }
}

void DurableProgress::write_retries(const std::string& prefix, storage::StateWriter& state) {
    for (const auto offset : std::exchange(changed_retries_, {})) {
        if (const auto* const retry = find_retry(offset)) {
            state.put(prefix + row_name(retry_mark, offset.value), text_of(format_retry(*retry)));
            stored_retries_.insert(offset);
        } else if (stored_retries_.erase(offset) > 0) {
            state.erase(prefix + row_name(retry_mark, offset.value));
        }
    }
}

Result<void> DurableProgress::erase(const std::string& prefix, storage::ShardStore& store) {
    std::vector<std::string> names{prefix};
    MILLRACE_TRY(store.visit_state(prefix + "/", "", [&names](std::string_view key, auto) {
        names.emplace_back(key);
        return true;
    }));
    for (const auto& name : names) {
        store.erase_state(name);
    }
    return ok();
}

}  // namespace millrace::broker::delivery
