#include "broker/gateways/http/records/position.hpp"

#include <algorithm>
#include <charconv>

namespace millrace::broker::http {
namespace {

template <class Number>
bool take_number(std::string_view text, Number& number) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    return code == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::string format_positions(const Positions& positions) {
    std::string text;
    for (const auto& [partition, offset] : positions.offsets) {
        text += (text.empty() ? "" : ",") + std::to_string(partition) + ":" +
                std::to_string(offset.value);
    }
    return positions.has_all ? text + ",*" : text;
}

Result<Positions> parse_positions(std::string_view text) {
    Positions positions;
    const std::string whole(text);
    while (!text.empty()) {
        const auto part = text.substr(0, text.find(','));
        text.remove_prefix(std::min(part.size() + 1, text.size()));
        if (part == "*" && text.empty()) {
            positions.has_all = true;
            break;
        }
        const auto colon = std::min(part.find(':'), part.size());
        std::uint32_t partition = 0;
        Offset offset;
        const bool is_good =
            take_number(part.substr(0, colon), partition) &&
            take_number(part.substr(std::min(colon + 1, part.size())), offset.value);
        if (!is_good || !positions.offsets.emplace(partition, offset).second) {
            return fail(Errc::invalid_argument,
                        "\"" + whole + "\" is no position: take the one that an answer gave");
        }
    }
    if (positions.offsets.empty()) {
        return fail(Errc::invalid_argument, "a position names a partition at least");
    }
    return positions;
}

}  // namespace millrace::broker::http
