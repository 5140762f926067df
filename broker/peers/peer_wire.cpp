#include "broker/peers/peer_wire.hpp"

#include <array>
#include <concepts>
#include <exception>
#include <utility>

#include <nlohmann/json.hpp>

#include "storage/base/random.hpp"

namespace millrace::broker::peers {
namespace {

using Json = nlohmann::json;

std::vector<std::byte> format_json(PeerApi api, std::uint32_t correlation, const Json& json) {
    const auto text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
    return format_bytes(api, correlation, std::as_bytes(std::span(text)));
}

/// The frame pads its bytes with zeros.
Result<Json> parse_json(std::span<const std::byte> text) {
    while (!text.empty() && text.back() == std::byte{0}) {
        text = text.first(text.size() - 1);
    }
    const auto* const begin = reinterpret_cast<const char*>(text.data());
    auto json = Json::parse(begin, begin + text.size(), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) {
        return fail(Errc::malformed, "a frame between nodes is no JSON object");
    }
    return json;
}

/// The library itself converts between all kinds of numbers, out of range too.
template <std::unsigned_integral Number>
void read_number(const Json& json, Number& value) {
    const auto* const number = json.get_ptr<const Json::number_unsigned_t*>();
    if (number == nullptr || !std::in_range<Number>(*number)) {
        throw Json::other_error::create(501, "not a whole number in its range", &json);
    }
    value = static_cast<Number>(*number);
}

template <std::unsigned_integral Number>
Number number_of(const Json& json) {
    Number value = 0;
    read_number(json, value);
    return value;
}

const Json::array_t& rows_of(const Json& json, const char* name) {
    return json.at(name).get_ref<const Json::array_t&>();
}

/// Those that this version takes: another one's rules may be wider, and are no reason to refuse it.
NodeLabels read_labels(const Json& hello) {
    NodeLabels labels;
    const auto found = hello.find("labels");
    if (found == hello.end() || !found->is_object()) {
        return labels;
    }
    for (const auto& [name, value] : found->items()) {
        const auto* const text = value.get_ptr<const std::string*>();
        if (labels.size() < labels_max && text != nullptr && is_label_word(name) &&
            is_label_word(*text)) {
            labels.emplace(name, *text);
        }
    }
    return labels;
}

Json format_codecs(const Codecs& codecs) {
    auto names = Json::array();
    for (const auto codec : codecs) {
        names.push_back(wire::name_of(codec));
    }
    return names;
}

/// A later version may know more of them.
Codecs read_codecs(const Json& hello) {
    Codecs codecs;
    const auto found = hello.find("codecs");
    if (found == hello.end() || !found->is_array()) {
        return codecs;
    }
    for (const auto& name : *found) {
        const auto* const text = name.get_ptr<const std::string*>();
        if (const auto codec = text == nullptr ? std::nullopt : wire::find_codec(*text)) {
            codecs.insert(*codec);
        }
    }
    return codecs;
}

/// Members that are missing or of another type than asked for make the whole thing malformed.
template <class Value, class Read>
Result<Value> read_json(std::span<const std::byte> text, Read read) {
    MILLRACE_TRY(const auto json, parse_json(text));
    try {
        Value value;
        read(json, value);
        return value;
    } catch (const std::exception& error) {
        return fail(Errc::malformed, std::string("a frame between nodes: ") + error.what());
    }
}

}  // namespace

std::vector<std::byte> format_bytes(PeerApi api,
                                    std::uint32_t correlation,
                                    std::span<const std::span<const std::byte>> pieces) {
    return wire::format_frame(
        {.api = static_cast<std::uint16_t>(api), .correlation = correlation}, {}, pieces);
}

std::vector<std::byte> format_bytes(PeerApi api,
                                    std::uint32_t correlation,
                                    std::span<const std::byte> bytes) {
    const std::array pieces{bytes};
    return format_bytes(api, correlation, pieces);
}

std::uint64_t own_process() {
    static const std::uint64_t process = entropy_seed() | 1U;  // never 0
    return process;
}

std::vector<std::byte> format_hello(const PeerHello& hello) {
    return format_json(PeerApi::hello,
                       0,
                       {{"version", hello.version},
                        {"node", hello.node.value},
                        {"shard", hello.shard},
                        {"shard_count", hello.shard_count},
                        {"cluster_id", hello.cluster_id},
                        {"founders", hello.founders},
                        {"is_new", hello.is_new},
                        {"is_copying", hello.is_copying},
                        {"native", hello.native},
                        {"http", hello.http},
                        {"process", hello.process},
                        {"labels", hello.labels},
                        {"codecs", format_codecs(hello.codecs)}});
}

Result<PeerHello> parse_hello(std::span<const std::byte> text) {
    MILLRACE_TRY(auto hello, read_json<PeerHello>(text, [](const Json& json, PeerHello& value) {
                     read_number(json.at("version"), value.version);
                     read_number(json.at("node"), value.node.value);
                     read_number(json.at("shard"), value.shard);
                     read_number(json.at("shard_count"), value.shard_count);
                     json.at("cluster_id").get_to(value.cluster_id);
                     for (const auto& founder : rows_of(json, "founders")) {
                         value.founders.push_back(number_of<std::uint64_t>(founder));
                     }
                     json.at("is_new").get_to(value.is_new);
                     json.at("is_copying").get_to(value.is_copying);
                     json.at("native").get_to(value.native);
                     value.http = json.value("http", "");
                     value.process = 0;
                     if (json.contains("process")) {
                         read_number(json.at("process"), value.process);
                     }
                     value.labels = read_labels(json);
                     value.codecs = read_codecs(json);
                 }));
    if (hello.version != peer_protocol_version) {
        return fail(Errc::unsupported_version,
                    "node " + std::to_string(hello.node.value) + " speaks version " +
                        std::to_string(hello.version) + " between nodes, this one " +
                        std::to_string(peer_protocol_version));
    }
    return hello;
}

std::vector<std::byte> format_listing(std::uint32_t correlation, const ShardListing& listing) {
    auto terms = Json::array();
    for (const auto& [group, term] : listing.terms) {
        terms.push_back({group, term});
    }
    auto segments = Json::array();
    for (const auto& extent : listing.segments) {
        segments.push_back(
            {extent.segment.value, extent.hash_seed, extent.used_bytes, extent.file_bytes});
    }
    return format_json(PeerApi::list, correlation, {{"terms", terms}, {"segments", segments}});
}

Result<ShardListing> parse_listing(std::span<const std::byte> text) {
    return read_json<ShardListing>(text, [](const Json& json, ShardListing& listing) {
        for (const auto& row : rows_of(json, "terms")) {
            listing.terms[number_of<std::uint32_t>(row.at(0))] =
                number_of<std::uint64_t>(row.at(1));
        }
        for (const auto& row : rows_of(json, "segments")) {
            listing.segments.push_back(
                {.segment = SegmentSequence{number_of<std::uint64_t>(row.at(0))},
                 .hash_seed = number_of<std::uint64_t>(row.at(1)),
                 .used_bytes = number_of<std::uint64_t>(row.at(2)),
                 .file_bytes = number_of<std::uint64_t>(row.at(3))});
        }
    });
}

std::vector<std::byte> format_list_request(std::uint32_t correlation) {
    return format_json(PeerApi::list, correlation, Json::object());
}

std::vector<std::byte> format_read_request(std::uint32_t correlation,
                                           const storage::SegmentRead& read) {
    return format_json(PeerApi::read,
                       correlation,
                       {{"segment", read.segment.value},
                        {"hash_seed", read.hash_seed},
                        {"position", read.position.value},
                        {"bytes", read.bytes}});
}

Result<storage::SegmentRead> parse_read_request(std::span<const std::byte> text) {
    return read_json<storage::SegmentRead>(text, [](const Json& json, storage::SegmentRead& read) {
        read_number(json.at("segment"), read.segment.value);
        read_number(json.at("hash_seed"), read.hash_seed);
        read_number(json.at("position"), read.position.value);
        read_number(json.at("bytes"), read.bytes);
    });
}

std::vector<std::byte> format_doubt(const storage::SegmentExtent& extent) {
    return format_json(
        PeerApi::doubt, 0, {{"segment", extent.segment.value}, {"hash_seed", extent.hash_seed}});
}

Result<storage::SegmentExtent> parse_doubt(std::span<const std::byte> text) {
    return read_json<storage::SegmentExtent>(text,
                                             [](const Json& json, storage::SegmentExtent& extent) {
                                                 json.at("segment").get_to(extent.segment.value);
                                                 json.at("hash_seed").get_to(extent.hash_seed);
                                             });
}

std::vector<std::byte> format_entry_request(std::uint32_t correlation,
                                            const storage::EntryRequest& request) {
    return format_json(PeerApi::entry,
                       correlation,
                       {{"group", request.group.value},
                        {"index", request.index.value},
                        {"term", request.term.value}});
}

Result<storage::EntryRequest> parse_entry_request(std::span<const std::byte> text) {
    return read_json<storage::EntryRequest>(text,
                                            [](const Json& json, storage::EntryRequest& request) {
                                                read_number(json.at("group"), request.group.value);
                                                read_number(json.at("index"), request.index.value);
                                                read_number(json.at("term"), request.term.value);
                                            });
}

std::vector<std::byte> format_refusal(std::uint32_t correlation, const Error& error) {
    return format_json(PeerApi::refusal,
                       correlation,
                       {{"code", static_cast<std::uint16_t>(error.code)}, {"text", error.text}});
}

Error parse_refusal(std::span<const std::byte> text) {
    struct Refusal {
        std::uint16_t code = 0;
        std::string text;
    };
    const auto refusal = read_json<Refusal>(text, [](const Json& json, Refusal& value) {
        read_number(json.at("code"), value.code);
        json.at("text").get_to(value.text);
    });
    return refusal ? fail(static_cast<Errc>(refusal.value().code), refusal.value().text)
                   : refusal.error();
}

}  // namespace millrace::broker::peers
