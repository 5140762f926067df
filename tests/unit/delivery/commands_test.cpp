#include "broker/delivery/commands.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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

/// The letter's bytes with one member replaced.
std::string with_member(const std::string& name, const Json& value) {
    Json json = Json::from_cbor(format_letter(sample_letter()));
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
    const auto letter = parse_letter(format_letter(sample_letter()));
    ASSERT_TRUE(letter.has_value()) << letter.error().text;
    EXPECT_EQ(letter.value().key, "\xff");
    EXPECT_EQ(letter.value().cause, Cause::poison);
    EXPECT_EQ(letter.value().first_failure_us, -5);
    EXPECT_EQ(letter.value().state, LetterState::discarded);
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
