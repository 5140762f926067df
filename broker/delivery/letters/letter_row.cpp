#include "broker/delivery/letters/letter_row.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "broker/delivery/cbor.hpp"
#include "broker/delivery/letters/letter_row_generated.h"
#include "client/wire/message.hpp"

namespace millrace::broker::delivery {
namespace {

using Builder = flatbuffers::FlatBufferBuilder;
using Bytes = flatbuffers::Vector<std::uint8_t>;

flatbuffers::Offset<Bytes> put_bytes(Builder& builder, std::span<const std::byte> bytes) {
    return bytes.empty() ? 0
                         : builder.CreateVector(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                                                bytes.size());
}

auto put_actions(Builder& builder, const std::vector<LetterAction>& actions) {
    std::vector<flatbuffers::Offset<rows::Action>> rows;
    rows.reserve(actions.size());
    for (const auto& action : actions) {
        const auto name = builder.CreateString(action.action);
        const auto by = builder.CreateString(action.by);
        const auto text = builder.CreateString(action.text);
        rows.push_back(rows::CreateAction(builder, action.time_us, name, by, text));
    }
    return builder.CreateVector(rows);
}

auto put_failing(Builder& builder, const std::vector<FailedAttempts>& failing) {
    std::vector<flatbuffers::Offset<rows::Failure>> rows;
    rows.reserve(failing.size());
    for (const auto& failed : failing) {
        const auto error = builder.CreateString(failed.error);
        rows.push_back(rows::CreateFailure(
            builder, failed.last_us, failed.count, static_cast<std::uint8_t>(failed.cause), error));
    }
    return builder.CreateVector(rows);
}

std::string text_at(const flatbuffers::String* text) {
    return text == nullptr ? std::string() : text->str();
}

std::vector<std::byte> bytes_at(const Bytes* bytes) {
    if (bytes == nullptr) {
        return {};
    }
    const auto all = std::as_bytes(std::span(bytes->data(), bytes->size()));
    return {all.begin(), all.end()};
}

std::vector<LetterAction> actions_of(const rows::LetterRow& row) {
    std::vector<LetterAction> actions;
    if (row.actions() != nullptr) {
        actions.reserve(row.actions()->size());
        for (const auto* const action : *row.actions()) {
            actions.push_back({.time_us = action->time_us(),
                               .action = text_at(action->action()),
                               .by = text_at(action->by()),
                               .text = text_at(action->text())});
        }
    }
    return actions;
}

std::vector<FailedAttempts> failing_of(const rows::LetterRow& row) {
    std::vector<FailedAttempts> failing;
    if (row.failing() != nullptr) {
        failing.reserve(row.failing()->size());
        for (const auto* const failed : *row.failing()) {
            failing.push_back({.last_us = failed->last_us(),
                               .count = failed->count(),
                               .cause = static_cast<Cause>(failed->cause()),
                               .error = text_at(failed->error())});
        }
    }
    return failing;
}

/// A number that names no cause or state is not guessed at.
bool has_meaning(const rows::LetterRow& row) {
    const auto is_cause = [](std::uint8_t number) {
        return number <= static_cast<std::uint8_t>(last_cause);
    };
    return is_cause(row.cause()) && row.state() <= static_cast<std::uint8_t>(last_letter_state) &&
           (row.failing() == nullptr ||
            std::ranges::all_of(*row.failing(),
                                [&](const auto* failed) { return is_cause(failed->cause()); }));
}

Letter letter_of(const rows::LetterRow& row) {
    Letter letter;
    letter.id = row.id();
    letter.subscription = text_at(row.subscription());
    letter.topic = text_at(row.topic());
    letter.partition_index = row.partition_index();
    letter.partition = PartitionId{row.partition()};
    letter.offset = Offset{row.offset()};
    if (row.has_origin_offset()) {
        letter.origin_offset = Offset{row.origin_offset()};
    }
    letter.epoch = row.epoch();
    letter.key = text_at(row.key());
    letter.cause = static_cast<Cause>(row.cause());
    letter.error = text_at(row.error());
    letter.response = text_at(row.response());
    letter.attempts = row.attempts();
    letter.tries = row.tries();
    letter.first_failure_us = row.first_failure_us();
    letter.last_failure_us = row.last_failure_us();
    letter.append_time_us = row.append_time_us();
    letter.correlation_id = text_at(row.correlation_id());
    letter.state = static_cast<LetterState>(row.state());
    letter.actions = actions_of(row);
    letter.failing = failing_of(row);
    letter.record = bytes_at(row.record());
    letter.edited = bytes_at(row.edited());
    return letter;
}

bool is_row(std::string_view bytes) {
    return bytes.size() >= sizeof(flatbuffers::uoffset_t) + flatbuffers::kFileIdentifierLength &&
           rows::LetterRowBufferHasIdentifier(bytes.data());
}

}  // namespace

std::string letter_prefix(std::uint32_t subscription) {
    return "l/" + std::to_string(subscription) + "/";
}

std::string letter_id_text(std::uint64_t id) {
    std::array<char, letter_id_digits + 4> digits{};
    (void)std::snprintf(
        digits.data(), digits.size(), "%020llu", static_cast<unsigned long long>(id));
    return digits.data();
}

std::string letter_key(std::uint32_t subscription, std::uint64_t id) {
    return letter_prefix(subscription) + letter_id_text(id);
}

std::string letter_index(std::uint32_t subscription, LetterState state, Cause cause) {
    return std::string(letter_index_prefix) + std::to_string(subscription) + "/" +
           std::to_string(static_cast<int>(state)) + "/" + std::to_string(static_cast<int>(cause)) +
           "/";
}

std::string format_letter(const Letter& letter) {
    Builder builder(512 + letter.record.size() + letter.edited.size());
    const auto subscription = builder.CreateString(letter.subscription);
    const auto topic = builder.CreateString(letter.topic);
    const auto key = builder.CreateString(letter.key);
    const auto error = builder.CreateString(letter.error);
    const auto response = builder.CreateString(letter.response);
    const auto correlation_id = builder.CreateString(letter.correlation_id);
    const auto actions = put_actions(builder, letter.actions);
    const auto failing = put_failing(builder, letter.failing);
    const auto record = put_bytes(builder, letter.record);
    const auto edited = put_bytes(builder, letter.edited);
    rows::LetterRowBuilder row(builder);
    row.add_id(letter.id);
    row.add_subscription(subscription);
    row.add_topic(topic);
    row.add_partition_index(letter.partition_index);
    row.add_partition(letter.partition.value);
    row.add_offset(letter.offset.value);
    row.add_has_origin_offset(letter.origin_offset.has_value());
    row.add_origin_offset(letter.origin_offset.value_or(Offset{0}).value);
    row.add_epoch(letter.epoch);
    row.add_key(key);
    row.add_cause(static_cast<std::uint8_t>(letter.cause));
    row.add_error(error);
    row.add_response(response);
    row.add_attempts(letter.attempts);
    row.add_tries(letter.tries);
    row.add_first_failure_us(letter.first_failure_us);
    row.add_last_failure_us(letter.last_failure_us);
    row.add_append_time_us(letter.append_time_us);
    row.add_correlation_id(correlation_id);
    row.add_state(static_cast<std::uint8_t>(letter.state));
    row.add_actions(actions);
    row.add_failing(failing);
    row.add_record(record);
    row.add_edited(edited);
    rows::FinishLetterRowBuffer(builder, row.Finish());
    return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

Result<Letter> parse_letter(std::string_view row) {
    if (is_row(row)) {
        const auto table = wire::verify_table<rows::LetterRow>(std::as_bytes(std::span(row)));
        if (!table || !has_meaning(*table.value())) {
            return fail(Errc::corrupt, "a dead letter does not parse");
        }
        return letter_of(*table.value());
    }
    try {
        return letter_from(parse_cbor(std::as_bytes(std::span(row))));
    } catch (const nlohmann::json::exception& error) {
        return fail(Errc::corrupt, std::string("a dead letter does not parse: ") + error.what());
    }
}

nlohmann::json to_json(const LetterAction& action) {
    return {{"time_us", action.time_us},
            {"action", action.action},
            {"by", action.by},
            {"text", action.text}};
}

LetterAction action_from(const nlohmann::json& json) {
    return {.time_us = integer_of<UnixMicros>(json.at("time_us")),
            .action = json.at("action").get<std::string>(),
            .by = json.at("by").get<std::string>(),
            .text = json.at("text").get<std::string>()};
}

Letter letter_from(const nlohmann::json& json) {
    Letter letter;
    read_integer(json.at("id"), letter.id);
    json.at("subscription").get_to(letter.subscription);
    json.at("topic").get_to(letter.topic);
    read_integer(json.at("index"), letter.partition_index);
    letter.partition = PartitionId{integer_of<std::uint32_t>(json.at("partition"))};
    letter.offset = Offset{integer_of<std::uint64_t>(json.at("offset"))};
    if (const auto origin = json.find("origin_offset"); origin != json.end()) {
        letter.origin_offset = Offset{integer_of<std::uint64_t>(*origin)};
    }
    read_integer(json.at("epoch"), letter.epoch);
    letter.key = cbor_text(json.at("key"));
    letter.cause = enumerator_of(json.at("cause"), last_cause);
    letter.error = cbor_text(json.at("error"));
    letter.response = cbor_text(json.at("response"));
    read_integer(json.at("attempts"), letter.attempts);
    read_integer(json.at("first_failure_us"), letter.first_failure_us);
    read_integer(json.at("last_failure_us"), letter.last_failure_us);
    read_integer(json.at("append_time_us"), letter.append_time_us);
    letter.correlation_id = cbor_text(json.at("correlation_id"));
    letter.state = enumerator_of(json.at("state"), last_letter_state);
    for (const auto& action : json.at("actions")) {
        letter.actions.push_back(action_from(action));
    }
    letter.record = cbor_blob(json.at("record"));
    letter.edited = cbor_blob(json.at("edited"));
    return letter;
}

}  // namespace millrace::broker::delivery
