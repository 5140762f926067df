#include "broker/delivery/commands.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

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
    job = 70
};

constexpr std::uint64_t run_offsets_max = std::uint64_t{1} << 32U;
constexpr auto last_state = LetterState::discarded;

/// Follows how deep arrays and objects lie in each other; refuses what goes too deep.
class DepthLimit final : public nlohmann::json_sax<Json> {
  public:
    bool null() override { return true; }
    bool boolean(bool /*value*/) override { return true; }
    bool number_integer(std::int64_t /*value*/) override { return true; }
    bool number_unsigned(std::uint64_t /*value*/) override { return true; }
    bool number_float(double /*value*/, const std::string& /*text*/) override { return true; }
    bool string(std::string& /*value*/) override { return true; }
    bool binary(Json::binary_t& /*value*/) override { return true; }
    bool key(std::string& /*value*/) override { return true; }
    bool start_object(std::size_t /*count*/) override { return ++depth_ <= depth_max; }
    bool start_array(std::size_t /*count*/) override { return ++depth_ <= depth_max; }
    bool end_object() override { return end(); }
    bool end_array() override { return end(); }
    bool parse_error(std::size_t /*at*/,
                     const std::string& /*token*/,
                     const Json::exception& /*error*/) override {
        return false;
    }

  private:
    static constexpr int depth_max = 16;
    bool end() {
        --depth_;
        return true;
    }
    int depth_ = 0;
};

/// The library calls itself for each level, so bytes that nest deep would end the stack.
template <class Iterator>
Json parse_cbor(Iterator begin, Iterator end) {
    DepthLimit limit;
    if (!Json::sax_parse(begin, end, &limit, Json::input_format_t::cbor)) {
        throw Json::other_error::create(501, "not CBOR, or nested too deep", nullptr);
    }
    return Json::from_cbor(begin, end);
}

/// The library itself converts between all kinds of numbers, out of range too.
template <class T>
T integer_of(const Json& json) {
    const bool fits = json.is_number_unsigned()
                          ? std::in_range<T>(json.get<std::uint64_t>())
                          : json.is_number_integer() && std::in_range<T>(json.get<std::int64_t>());
    if (!fits) {
        throw Json::other_error::create(501, "not an integer in its range", &json);
    }
    return json.get<T>();
}

template <class T>
void read_integer(const Json& json, T& out) {
    out = integer_of<T>(json);
}

template <class Enum>
Enum enumerator_of(const Json& json, Enum last) {
    const auto number = integer_of<std::uint8_t>(json);
    if (number > static_cast<std::uint8_t>(last)) {
        throw Json::other_error::create(501, "a number without a meaning", &json);
    }
    return static_cast<Enum>(number);
}

Json to_json(const ProgressKey& key) {
    return {key.subscription, key.partition.value, key.epoch, key.origin.value};
}

ProgressKey key_from(const Json& json) {
    return {.subscription = integer_of<std::uint32_t>(json.at(0)),
            .partition = PartitionId{integer_of<std::uint32_t>(json.at(1))},
            .epoch = integer_of<std::uint32_t>(json.at(2)),
            .origin = Offset{integer_of<std::uint64_t>(json.at(3))}};
}

Json to_json(const LetterAction& action) {
    return {{"time_us", action.time_us},
            {"action", action.action},
            {"by", action.by},
            {"text", action.text}};
}

LetterAction action_from(const Json& json) {
    return {.time_us = integer_of<UnixMicros>(json.at("time_us")),
            .action = json.at("action").get<std::string>(),
            .by = json.at("by").get<std::string>(),
            .text = json.at("text").get<std::string>()};
}

/// Texts come from outside and need not be UTF-8, so they travel as bytes.
Json bytes_of(const std::string& text) {
    return Json::binary({text.begin(), text.end()});
}

std::string text_of(const Json& json) {
    const auto& bytes = json.get_binary();
    return {bytes.begin(), bytes.end()};
}

Json bytes_of(std::span<const std::byte> bytes) {
    std::vector<std::uint8_t> copy(bytes.size());
    std::ranges::transform(bytes, copy.begin(), std::to_integer<std::uint8_t>);
    return Json::binary(std::move(copy));
}

std::vector<std::byte> record_of(const Json& json) {
    const auto& binary = json.get_binary();
    const auto bytes = std::as_bytes(std::span(binary.data(), binary.size()));
    return {bytes.begin(), bytes.end()};
}

Json to_json(const Letter& letter) {
    Json actions = Json::array();
    for (const auto& action : letter.actions) {
        actions.push_back(to_json(action));
    }
    Json json{{"id", letter.id},
              {"subscription", letter.subscription},
              {"topic", letter.topic},
              {"index", letter.partition_index},
              {"partition", letter.partition.value},
              {"offset", letter.offset.value},
              {"key", bytes_of(letter.key)},
              {"cause", static_cast<int>(letter.cause)},
              {"error", bytes_of(letter.error)},
              {"response", bytes_of(letter.response)},
              {"attempts", letter.attempts},
              {"first_failure_us", letter.first_failure_us},
              {"last_failure_us", letter.last_failure_us},
              {"append_time_us", letter.append_time_us},
              {"epoch", letter.epoch},
              {"correlation_id", bytes_of(letter.correlation_id)},
              {"state", static_cast<int>(letter.state)},
              {"actions", actions},
              {"record", bytes_of(std::span<const std::byte>(letter.record))},
              {"edited", bytes_of(std::span<const std::byte>(letter.edited))}};
    if (letter.origin_offset) {
        json["origin_offset"] = letter.origin_offset->value;
    }
    return json;
}

Letter letter_from(const Json& json) {
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
    letter.key = text_of(json.at("key"));
    letter.cause = enumerator_of(json.at("cause"), last_cause);
    letter.error = text_of(json.at("error"));
    letter.response = text_of(json.at("response"));
    read_integer(json.at("attempts"), letter.attempts);
    read_integer(json.at("first_failure_us"), letter.first_failure_us);
    read_integer(json.at("last_failure_us"), letter.last_failure_us);
    read_integer(json.at("append_time_us"), letter.append_time_us);
    letter.correlation_id = text_of(json.at("correlation_id"));
    letter.state = enumerator_of(json.at("state"), last_state);
    for (const auto& action : json.at("actions")) {
        letter.actions.push_back(action_from(action));
    }
    letter.record = record_of(json.at("record"));
    letter.edited = record_of(json.at("edited"));
    return letter;
}

struct Encoder {
    std::pair<Kind, Json> operator()(const RetryCommand& command) const {
        Json json{to_json(command.key),
                  command.offset.value,
                  command.attempts,
                  command.not_before_us,
                  command.first_failure_us};
        if (command.failed) {
            json.push_back({command.failed->last_us,
                            static_cast<int>(command.failed->cause),
                            bytes_of(command.failed->error)});
        }
        return {Kind::retry, std::move(json)};
    }
    std::pair<Kind, Json> operator()(const LetterOpenCommand& command) const {
        return {Kind::letter_open, {to_json(command.key), to_json(command.letter)}};
    }
    std::pair<Kind, Json> operator()(const LetterChangeCommand& command) const {
        return {Kind::letter_change,
                {command.subscription,
                 command.id,
                 static_cast<int>(command.state),
                 static_cast<int>(command.cause),
                 bytes_of(command.error),
                 bytes_of(command.response),
                 command.attempts,
                 to_json(command.action),
                 bytes_of(std::span<const std::byte>(command.edited))}};
    }
    std::pair<Kind, Json> operator()(const OffsetCommand& command) const {
        Json offsets = Json::array();
        for (const auto& offset : command.offsets) {
            offsets.push_back({offset.partition.value, offset.offset.value});
        }
        return {Kind::offsets, {bytes_of(command.group), offsets}};
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

RetryCommand retry_from(const Json& json) {
    RetryCommand command{.key = key_from(json.at(0)),
                         .offset = Offset{integer_of<std::uint64_t>(json.at(1))},
                         .attempts = integer_of<std::uint32_t>(json.at(2)),
                         .not_before_us = integer_of<UnixMicros>(json.at(3)),
                         .first_failure_us = integer_of<UnixMicros>(json.at(4)),
                         .failed = {}};
    constexpr std::size_t failed_at = 5;  // the form before had no reasons
    if (json.size() > failed_at) {
        const auto& failed = json.at(failed_at);
        command.failed = {.last_us = integer_of<UnixMicros>(failed.at(0)),
                          .cause = enumerator_of(failed.at(1), last_cause),
                          .error = text_of(failed.at(2))};
    }
    return command;
}

OffsetCommand offsets_from(const Json& json) {
    OffsetCommand command{.group = text_of(json.at(0)), .offsets = {}};
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
            return Command(
                LetterOpenCommand{.key = key_from(json.at(0)), .letter = letter_from(json.at(1))});
        case Kind::letter_change:
            return Command(
                LetterChangeCommand{.subscription = integer_of<std::uint32_t>(json.at(0)),
                                    .id = integer_of<std::uint64_t>(json.at(1)),
                                    .state = enumerator_of(json.at(2), last_state),
                                    .cause = enumerator_of(json.at(3), last_cause),
                                    .error = text_of(json.at(4)),
                                    .response = text_of(json.at(5)),
                                    .attempts = integer_of<std::uint32_t>(json.at(6)),
                                    .action = action_from(json.at(7)),
                                    .edited = record_of(json.at(8))});
        case Kind::offsets:
            return Command(offsets_from(json));
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
        const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
        return parse_other(kind, parse_cbor(data + 1, data + bytes.size()));
    } catch (const Json::exception& error) {
        return fail(Errc::malformed,
                    std::string("delivery: a command does not parse: ") + error.what());
    }
}

std::string format_letter(const Letter& letter) {
    std::string text;
    Json::to_cbor(to_json(letter), text);
    return text;
}

Result<Letter> parse_letter(std::string_view text) {
    try {
        return letter_from(parse_cbor(text.begin(), text.end()));
    } catch (const Json::exception& error) {
        return fail(Errc::corrupt, std::string("a dead letter does not parse: ") + error.what());
    }
}

}  // namespace millrace::broker::delivery
