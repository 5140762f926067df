#include "broker/peers/peer_wire.hpp"

#include <array>
#include <exception>

#include <nlohmann/json.hpp>

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
                                    std::span<const std::byte> bytes) {
    const std::array pieces{bytes};
    return wire::format_frame(
        {.api = static_cast<std::uint16_t>(api), .correlation = correlation}, {}, pieces);
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
                        {"native", hello.native}});
}

Result<PeerHello> parse_hello(std::span<const std::byte> text) {
    MILLRACE_TRY(auto hello, read_json<PeerHello>(text, [](const Json& json, PeerHello& value) {
                     json.at("version").get_to(value.version);
                     json.at("node").get_to(value.node.value);
                     json.at("shard").get_to(value.shard);
                     json.at("shard_count").get_to(value.shard_count);
                     json.at("cluster_id").get_to(value.cluster_id);
                     json.at("founders").get_to(value.founders);
                     json.at("is_new").get_to(value.is_new);
                     json.at("is_copying").get_to(value.is_copying);
                     json.at("native").get_to(value.native);
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
        for (const auto& row : json.at("terms")) {
            listing.terms[row.at(0).get<std::uint32_t>()] = row.at(1).get<std::uint64_t>();
        }
        for (const auto& row : json.at("segments")) {
            listing.segments.push_back({.segment = SegmentSequence{row.at(0).get<std::uint64_t>()},
                                        .hash_seed = row.at(1).get<std::uint64_t>(),
                                        .used_bytes = row.at(2).get<std::uint64_t>(),
                                        .file_bytes = row.at(3).get<std::uint64_t>()});
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
        json.at("segment").get_to(read.segment.value);
        json.at("hash_seed").get_to(read.hash_seed);
        json.at("position").get_to(read.position.value);
        json.at("bytes").get_to(read.bytes);
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
        json.at("code").get_to(value.code);
        json.at("text").get_to(value.text);
    });
    return refusal ? fail(static_cast<Errc>(refusal.value().code), refusal.value().text)
                   : refusal.error();
}

}  // namespace millrace::broker::peers
