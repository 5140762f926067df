#include "broker/delivery/jobs/replay/origin.hpp"

#include <charconv>

#include "broker/catalog/replay_topic.hpp"
#include "client/wire/topic_pattern.hpp"

namespace millrace::broker::delivery {
namespace {

template <class Number>
bool parse_number(std::string_view text, Number& out) {
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
    return code == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::string format_origin(const RecordOrigin& origin) {
    return origin.topic + "/" + std::to_string(origin.partition_index) + "@" +
           std::to_string(origin.offset.value);
}

std::optional<RecordOrigin> parse_origin(std::string_view text) {
    const auto slash = text.find('/');
    const auto at = text.find('@');
    if (slash == std::string_view::npos || at == std::string_view::npos || at < slash) {
        return std::nullopt;
    }
    RecordOrigin origin{.topic = std::string(text.substr(0, slash))};
    const bool is_good =
        wire::is_topic_name(origin.topic) &&
        parse_number(text.substr(slash + 1, at - slash - 1), origin.partition_index) &&
        parse_number(text.substr(at + 1), origin.offset.value);
    return is_good ? std::optional(std::move(origin)) : std::nullopt;
}

RecordOrigin origin_of(const CatalogView& view,
                       PartitionId partition,
                       Offset offset,
                       std::span<const std::byte> plain_record) {
    const auto* const ref = view.find(partition);
    if (ref == nullptr) {
        return {.topic = {}, .partition_index = 0, .offset = offset};
    }
    RecordOrigin here{.topic = ref->topic->name, .partition_index = ref->index, .offset = offset};
    if (!is_internal_topic(here.topic)) {
        return here;
    }
    const auto record = wire::parse_plain_record(plain_record);
    if (!record) {
        return here;
    }
    return parse_origin(record.value().header(origin_header).value_or("")).value_or(here);
}

}  // namespace millrace::broker::delivery
