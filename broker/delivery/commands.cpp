#include "broker/delivery/commands.hpp"

#include <algorithm>
#include <utility>

#include "broker/delivery/cbor.hpp"
#include "broker/delivery/letters/letter_row.hpp"
#include "broker/delivery/progress/circuit_log.hpp"
#include "client/wire/varint.hpp"

namespace millrace::broker::delivery {
namespace {

using Json = nlohmann::json;

enum class Kind : std::uint8_t {
    settle = 1,
    retry = 2,
    letter_open = 3,
    letter_change = 4,
    offsets = 5,
    letter_retry = 6,
    circuit = 7,
    job = 70
};

constexpr std::uint64_t run_offsets_max = std::uint64_t{1} << 32U;

Json to_json(const ProgressKey& key) {
    return {key.subscription, key.partition.value, key.epoch, key.origin.value};
}

ProgressKey key_from(const Json& json) {
    return {.subscription = integer_of<std::uint32_t>(json.at(0)),
            .partition = PartitionId{integer_of<std::uint32_t>(json.at(1))},
            .epoch = integer_of<std::uint32_t>(json.at(2)),
            .origin = Offset{integer_of<std::uint64_t>(json.at(3))}};
}

void push_failed(Json& row, const FailedAttempts& failed) {
    row.push_back(failed.last_us);
    row.push_back(static_cast<int>(failed.cause));
    row.push_back(cbor_bytes(failed.error));
}

struct Encoder {
    std::pair<Kind, Json> operator()(const RetryCommand& command) const {
        Json json{to_json(command.key),
                  command.offset.value,
                  command.attempts,
                  command.not_before_us,
                  command.first_failure_us};
        if (command.failed) {
            push_failed(json.emplace_back(Json::array()), *command.failed);
        }
        return {Kind::retry, std::move(json)};
    }
    std::pair<Kind, Json> operator()(const LetterOpenCommand& command) const {
        return {Kind::letter_open,
                {to_json(command.key), cbor_bytes(format_letter(command.letter))}};
    }
    std::pair<Kind, Json> operator()(const LetterChangeCommand& command) const {
        return {Kind::letter_change,
                {command.subscription,
                 command.id,
                 static_cast<int>(command.state),
                 static_cast<int>(command.cause),
                 cbor_bytes(command.error),
                 cbor_bytes(command.response),
                 command.attempts,
                 to_json(command.action),
                 cbor_bytes(std::span<const std::byte>(command.edited))}};
    }
    std::pair<Kind, Json> operator()(const OffsetCommand& command) const {
        Json offsets = Json::array();
        for (const auto& offset : command.offsets) {
            offsets.push_back({offset.partition.value, offset.offset.value});
        }
        return {Kind::offsets, {cbor_bytes(command.group), offsets}};
    }
    std::pair<Kind, Json> operator()(const LetterRetryCommand& command) const {
        Json json{command.subscription, command.id};
        push_failed(json, command.failed);
        return {Kind::letter_retry, std::move(json)};
    }
    std::pair<Kind, Json> operator()(const CircuitCommand& command) const {
        return {Kind::circuit, {command.subscription, to_json(command.change)}};
    }
    std::pair<Kind, Json> operator()(const JobCommand& command) const {
        return {Kind::job, delivery::to_json(command)};
    }
    std::pair<Kind, Json> operator()(const SettleCommand& /*command*/) const {
        return {Kind::settle, nullptr};
    }
};

std::vector<std::byte> format_settle(const SettleCommand& command) {
    std::vector<std::byte> out{static_cast<std::byte>(Kind::settle)};
    const auto add = [&out](std::uint64_t value) {
        wire::append_varint(out, static_cast<std::int64_t>(value));
    };
    add(command.key.subscription);
    add(command.key.partition.value);
    add(command.key.epoch);
    add(command.key.origin.value);
    auto last = command.key.origin;
    for (const auto& [first, count] : command.runs) {
        add(first.value - last.value);
        add(count);
        last = first + count;
    }
    return out;
}

Result<Command> parse_settle(std::span<const std::byte> bytes) {
    wire::ByteReader in(bytes);
    const auto next = [&in] { return static_cast<std::uint64_t>(in.read_varint()); };
    SettleCommand command;
    command.key.subscription = static_cast<std::uint32_t>(next());
    command.key.partition = PartitionId{static_cast<std::uint32_t>(next())};
    command.key.epoch = static_cast<std::uint32_t>(next());
    command.key.origin = Offset{next()};
    auto last = command.key.origin;
    while (in.rest_bytes() > 0 && !in.failed()) {
        const auto first = last + next();
        const auto count = next();
        if (first < last || count > run_offsets_max || first + count < first) {
            return fail(Errc::malformed, "delivery: a settle command has a run without an end");
        }
        command.runs.emplace_back(first, count);
        last = first + count;
    }
    if (in.failed()) {
        return fail(Errc::malformed, "delivery: a settle command does not parse");
    }
    return Command(std::move(command));
}

FailedAttempts failed_from(const Json& row, std::size_t first) {
    return {.last_us = integer_of<UnixMicros>(row.at(first)),
            .cause = enumerator_of(row.at(first + 1), last_cause),
            .error = cbor_text(row.at(first + 2))};
}

RetryCommand retry_from(const Json& json) {
    RetryCommand command{.key = key_from(json.at(0)),
                         .offset = Offset{integer_of<std::uint64_t>(json.at(1))},
                         .attempts = integer_of<std::uint32_t>(json.at(2)),
                         .not_before_us = integer_of<UnixMicros>(json.at(3)),
                         .first_failure_us = integer_of<UnixMicros>(json.at(4)),
                         .failed = {}};
    constexpr std::size_t failed_at = 5;  // the form before had no reasons
    if (json.size() > failed_at) {
        command.failed = failed_from(json.at(failed_at), 0);
    }
    return command;
}

Result<Command> letter_open_from(const Json& json) {
    const auto& row = json.at(1);
    // An object is the earlier form.
    MILLRACE_TRY(auto letter, row.is_object() ? letter_from(row) : parse_letter(cbor_text(row)));
    return Command(LetterOpenCommand{.key = key_from(json.at(0)), .letter = std::move(letter)});
}

LetterRetryCommand letter_retry_from(const Json& json) {
    return {.subscription = integer_of<std::uint32_t>(json.at(0)),
            .id = integer_of<std::uint64_t>(json.at(1)),
            .failed = failed_from(json, 2)};
}

OffsetCommand offsets_from(const Json& json) {
    OffsetCommand command{.group = cbor_text(json.at(0)), .offsets = {}};
    for (const auto& offset : json.at(1)) {
        command.offsets.push_back(
            {.partition = PartitionId{integer_of<std::uint32_t>(offset.at(0))},
             .offset = Offset{integer_of<std::uint64_t>(offset.at(1))}});
    }
    return command;
}

Result<Command> parse_other(Kind kind, const Json& json) {
    switch (kind) {
        case Kind::retry:
            return Command(retry_from(json));
        case Kind::letter_open:
            return letter_open_from(json);
        case Kind::letter_change:
            return Command(
                LetterChangeCommand{.subscription = integer_of<std::uint32_t>(json.at(0)),
                                    .id = integer_of<std::uint64_t>(json.at(1)),
                                    .state = enumerator_of(json.at(2), last_letter_state),
                                    .cause = enumerator_of(json.at(3), last_cause),
                                    .error = cbor_text(json.at(4)),
                                    .response = cbor_text(json.at(5)),
                                    .attempts = integer_of<std::uint32_t>(json.at(6)),
                                    .action = action_from(json.at(7)),
                                    .edited = cbor_blob(json.at(8))});
        case Kind::offsets:
            return Command(offsets_from(json));
        case Kind::letter_retry:
            return Command(letter_retry_from(json));
        case Kind::circuit:
            return Command(CircuitCommand{.subscription = integer_of<std::uint32_t>(json.at(0)),
                                          .change = circuit_change_from(json.at(1))});
        case Kind::job:
            return Command(job_command_from(json));
        default:
            return fail(Errc::malformed, "delivery: a command of unknown kind");
    }
}

}  // namespace

std::vector<std::byte> format_command(const Command& command) {
    if (const auto* const settle = std::get_if<SettleCommand>(&command)) {
        return format_settle(*settle);
    }
    const auto [kind, json] = std::visit(Encoder{}, command);
    std::vector<std::uint8_t> encoded{static_cast<std::uint8_t>(kind)};
    Json::to_cbor(json, encoded);
    const auto bytes = std::as_bytes(std::span(encoded));
    return {bytes.begin(), bytes.end()};
}

Result<Command> parse_command(std::span<const std::byte> bytes) {
    if (bytes.empty()) {
        return fail(Errc::malformed, "delivery: an empty command");
    }
    const auto kind = static_cast<Kind>(bytes.front());
    if (kind == Kind::settle) {
        return parse_settle(bytes.subspan(1));
    }
    // The library reports wrong shapes by exceptions; this is the adapter.
    try {
        return parse_other(kind, parse_cbor(bytes.subspan(1)));
    } catch (const Json::exception& error) {
        return fail(Errc::malformed,
                    std::string("delivery: a command does not parse: ") + error.what());
    }
}

}  // namespace millrace::broker::delivery
