#include "broker/delivery/commands.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "broker/delivery/letters/letter_row.hpp"

namespace millrace::broker::delivery {
namespace {

using Json = nlohmann::json;

Letter sample_letter() {
    Letter letter{
        .id = 1001, .subscription = "odoo", .topic = "a.b", .key = "\xff", .cause = Cause::poison};
    letter.first_failure_us = -5;
    letter.state = LetterState::discarded;
    return letter;
}

Json binary(const std::string& text) {
    return Json::binary({text.begin(), text.end()});
}

/// A letter in the earlier form, with one member replaced.
std::string with_member(const std::string& name, const Json& value) {
    Json json{
        {"id", 1001},
        {"subscription", "odoo"},
        {"topic", "a.b"},
        {"index", 0},
        {"partition", 3},
        {"offset", 7},
        {"key", binary("\xff")},
        {"cause", 7},
        {"error", binary("no product")},
        {"response", binary("")},
        {"attempts", 2},
        {"first_failure_us", -5},
        {"last_failure_us", 0},
        {"append_time_us", 0},
        {"epoch", 1},
        {"correlation_id", binary("")},
        {"state", 3},
        {"actions", {{{"time_us", 9}, {"action", "opened"}, {"by", "broker"}, {"text", "poison"}}}},
        {"record", binary("r")},
        {"edited", binary("")}};
    json[name] = value;
    std::string text;
    Json::to_cbor(json, text);
    return text;
}

/// A change of a letter's state with one of its members replaced.
std::vector<std::byte> change_with(std::size_t place, const Json& value) {
    const auto command = format_command(LetterChangeCommand{.subscription = 1, .id = 2});
    Json json = Json::from_cbor(std::vector<std::uint8_t>(
        reinterpret_cast<const std::uint8_t*>(command.data()) + 1,
        reinterpret_cast<const std::uint8_t*>(command.data()) + command.size()));
    json[place] = value;
    std::vector<std::uint8_t> changed{std::to_integer<std::uint8_t>(command.front())};
    Json::to_cbor(json, changed);
    const auto bytes = std::as_bytes(std::span(changed));
    return {bytes.begin(), bytes.end()};
}

TEST(DeliveryCommands, LetterSurvivesBeingStored) {
    auto written = sample_letter();
    written.origin_offset = Offset{0};
    written.attempts = 3;
    written.tries = 2;
    written.record = {std::byte{1}, std::byte{0}};
    written.edited = {std::byte{2}};
    written.actions = {{.time_us = 4, .action = "opened", .by = "broker", .text = "poison"}};
    written.failing = {
        {.last_us = 6, .count = 2, .cause = Cause::transient, .error = std::string("\xff\0", 2)}};
    const auto read = parse_letter(format_letter(written));
    ASSERT_TRUE(read.has_value()) << read.error().text;
    const auto& letter = read.value();
    EXPECT_EQ(letter.key, "\xff");
    EXPECT_EQ(letter.cause, Cause::poison);
    EXPECT_EQ(letter.first_failure_us, -5);
    EXPECT_EQ(letter.state, LetterState::discarded);
    EXPECT_EQ(letter.origin_offset, Offset{0});
    EXPECT_EQ(letter.attempts, 3U);
    EXPECT_EQ(letter.tries, 2U);
    EXPECT_EQ(letter.record, written.record);
    EXPECT_EQ(letter.edited, written.edited);
    ASSERT_EQ(letter.actions.size(), 1U);
    EXPECT_EQ(letter.actions.front().text, "poison");
    ASSERT_EQ(letter.failing.size(), 1U);
    EXPECT_EQ(letter.failing.front().count, 2U);
    EXPECT_EQ(letter.failing.front().error, written.failing.front().error);
    EXPECT_FALSE(parse_letter(format_letter(sample_letter())).value().origin_offset);
}

TEST(DeliveryCommands, LetterInTheEarlierFormIsRead) {
    const auto read = parse_letter(with_member("attempts", 4));
    ASSERT_TRUE(read.has_value()) << read.error().text;
    const auto& letter = read.value();
    EXPECT_EQ(letter.id, 1001U);
    EXPECT_EQ(letter.offset, Offset{7});
    EXPECT_EQ(letter.attempts, 4U);
    EXPECT_EQ(letter.tries, 0U);
    EXPECT_EQ(letter.error, "no product");
    ASSERT_EQ(letter.actions.size(), 1U);
    EXPECT_EQ(letter.record, std::vector{std::byte{'r'}});
}

TEST(DeliveryCommands, LetterThatWasOpenedInTheEarlierFormIsRead) {
    std::vector<std::uint8_t> bytes{3};
    const auto row = with_member("attempts", 4);
    Json::to_cbor(Json{{1, 3, 0, 0}, Json::from_cbor(row)}, bytes);
    const auto parsed = parse_command(std::as_bytes(std::span(bytes)));
    ASSERT_TRUE(parsed.has_value()) << parsed.error().text;
    EXPECT_EQ(std::get<LetterOpenCommand>(parsed.value()).letter.attempts, 4U);
    const auto opened = parse_command(
        format_command(LetterOpenCommand{.key = {.subscription = 1}, .letter = sample_letter()}));
    ASSERT_TRUE(opened.has_value()) << opened.error().text;
    EXPECT_EQ(std::get<LetterOpenCommand>(opened.value()).letter.id, 1001U);
}

TEST(DeliveryCommands, LetterThatIsCutOffOrHasNumbersWithoutAMeaningIsCorrupt) {
    const auto whole = format_letter(sample_letter());
    constexpr std::size_t padding_max = 3;  // bytes at the end that say nothing
    for (std::size_t bytes = 0; bytes < whole.size() - padding_max; ++bytes) {
        EXPECT_FALSE(parse_letter(std::string_view(whole).substr(0, bytes))) << bytes;
    }
    auto strange = sample_letter();
    strange.cause = static_cast<Cause>(9);
    EXPECT_EQ(parse_letter(format_letter(strange)).error().code, Errc::corrupt);
    strange = sample_letter();
    strange.state = static_cast<LetterState>(4);
    EXPECT_EQ(parse_letter(format_letter(strange)).error().code, Errc::corrupt);
    strange = sample_letter();
    strange.failing = {{.cause = static_cast<Cause>(9)}};
    EXPECT_EQ(parse_letter(format_letter(strange)).error().code, Errc::corrupt);
}

TEST(DeliveryCommands, RetryOfALetterAndChangeOfACircuitSurvive) {
    const auto parsed = [](const Command& command) {
        auto made = parse_command(format_command(command));
        EXPECT_TRUE(made.has_value()) << made.error().text;
        return std::move(made).value();
    };
    const auto retry = std::get<LetterRetryCommand>(parsed(LetterRetryCommand{
        .subscription = 2,
        .id = 1001,
        .failed = {.last_us = 8, .cause = Cause::outcome_unknown, .error = "\xff"}}));
    EXPECT_EQ(retry.id, 1001U);
    EXPECT_EQ(retry.failed.cause, Cause::outcome_unknown);
    EXPECT_EQ(retry.failed.error, "\xff");
    const auto circuit = std::get<CircuitCommand>(parsed(CircuitCommand{
        .subscription = 2,
        .change = {.time_us = 5, .to = Circuit::open, .cause = Cause::outage, .reason = "\xff"}}));
    EXPECT_EQ(circuit.change.time_us, 5);
    EXPECT_EQ(circuit.change.from, Circuit::closed);
    EXPECT_EQ(circuit.change.to, Circuit::open);
    EXPECT_EQ(circuit.change.cause, Cause::outage);
    EXPECT_EQ(circuit.change.reason, "\xff");
}

TEST(DeliveryCommands, RetryTellsWhatFailedOrNothing) {
    RetryCommand command{.offset = Offset{4}, .attempts = 2, .failed = {}};
    const auto parsed = [&command] {
        auto made = parse_command(format_command(command));
        EXPECT_TRUE(made.has_value());
        return std::get<RetryCommand>(std::move(made).value());
    };
    EXPECT_FALSE(parsed().failed);
    command.failed = {.last_us = 9, .cause = Cause::transient, .error = "\xff busy"};
    const auto failed = parsed().failed;
    ASSERT_TRUE(failed);
    EXPECT_EQ(failed->last_us, 9);
    EXPECT_EQ(failed->count, 1U);
    EXPECT_EQ(failed->cause, Cause::transient);
    EXPECT_EQ(failed->error, "\xff busy");
}

TEST(DeliveryCommands, NumbersThatAreNoIntegersOrOutOfRangeAreCorrupt) {
    EXPECT_TRUE(parse_letter(with_member("attempts", 7)).has_value());
    EXPECT_EQ(parse_letter(with_member("attempts", 1.1e7)).error().code, Errc::corrupt);
    EXPECT_EQ(parse_letter(with_member("attempts", -1)).error().code, Errc::corrupt);
    EXPECT_EQ(parse_letter(with_member("attempts", 1ULL << 32U)).error().code, Errc::corrupt);
    EXPECT_EQ(parse_letter(with_member("id", true)).error().code, Errc::corrupt);
    EXPECT_EQ(parse_letter(with_member("append_time_us", UINT64_MAX)).error().code, Errc::corrupt);
}

TEST(DeliveryCommands, DeepNestingIsRefusedAndNotFollowed) {
    constexpr std::size_t deep = 1'000'000;
    constexpr unsigned char array_of_one = 0x81;
    std::vector<std::byte> command{std::byte{2}};
    command.insert(command.end(), deep, std::byte{array_of_one});
    EXPECT_EQ(parse_command(command).error().code, Errc::malformed);
    const std::string letter(deep, static_cast<char>(array_of_one));
    EXPECT_EQ(parse_letter(letter).error().code, Errc::corrupt);
}

TEST(DeliveryCommands, CauseAndStateWithoutAMeaningAreRefused) {
    EXPECT_EQ(parse_letter(with_member("cause", 9)).error().code, Errc::corrupt);
    EXPECT_EQ(parse_letter(with_member("state", 4)).error().code, Errc::corrupt);
    EXPECT_TRUE(parse_command(change_with(3, 8)).has_value());
    EXPECT_EQ(parse_command(change_with(3, 9)).error().code, Errc::malformed);
    EXPECT_EQ(parse_command(change_with(2, 1.1e7)).error().code, Errc::malformed);
}

}  // namespace
}  // namespace millrace::broker::delivery
