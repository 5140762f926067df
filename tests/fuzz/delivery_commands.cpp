// The commands of delivery's consensus entries, and dead letters as they lie in the state.
#include "tests/fuzz/fuzz_check.hpp"

#include "broker/delivery/commands.hpp"
#include "broker/delivery/letters/letter_row.hpp"

namespace millrace::broker::delivery {
namespace {

using fuzz::check;

void parse_as_command(std::span<const std::byte> bytes) {
    const auto command = parse_command(bytes);
    if (command.has_error()) {
        return;
    }
    const auto once = format_command(command.value());
    const auto again = parse_command(once);
    check(again.has_value(), "a command that was formatted parses");
    check(format_command(again.value()) == once, "a command survives being stored");
}

void parse_as_letter(std::span<const std::byte> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto letter = parse_letter(text);
    if (letter.has_error()) {
        return;
    }
    const auto once = format_letter(letter.value());
    const auto again = parse_letter(once);
    check(again.has_value(), "a letter that was formatted parses");
    check(format_letter(again.value()) == once, "a letter survives being stored");
}

}  // namespace
}  // namespace millrace::broker::delivery

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = millrace::fuzz::bytes_of(data, size);
    millrace::broker::delivery::parse_as_command(input);
    millrace::broker::delivery::parse_as_letter(input);
    return 0;
}
