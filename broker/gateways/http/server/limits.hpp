#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/base/metrics.hpp"

namespace millrace::broker::http {

/// What one client, and all of them together, may take of the broker. The names are those of the
/// settings.
struct Limits {
    std::size_t connections_max = 256;
    std::uint32_t header_bytes_max = 16 * 1024;
    std::uint64_t body_bytes_max = 4ULL << 20U;
    std::uint64_t bodies_bytes_max = 64ULL
                                     << 20U;  ///< of all requests that are being read or answered
    std::chrono::milliseconds request_timeout{10'000};  ///< from its first byte to its last
    std::chrono::milliseconds idle_timeout{60'000};     ///< between two requests
    std::chrono::milliseconds write_timeout{
        30'000};  ///< for the peer to take an answer, or a piece
};

/// Which limit ended or refused something.
inline constexpr std::string_view connections_limit = "http_connections_max";
inline constexpr std::string_view header_limit = "http_header_bytes_max";
inline constexpr std::string_view body_limit = "http_body_bytes_max";
inline constexpr std::string_view bodies_limit = "http_bodies_bytes_max";
inline constexpr std::string_view records_limit = "http_request_records_max";
inline constexpr std::string_view streams_limit = "http_streams_max";
inline constexpr std::string_view request_time_limit = "http_request_timeout_ms";
inline constexpr std::string_view idle_limit = "http_idle_timeout_ms";
inline constexpr std::string_view write_limit = "http_write_timeout_ms";
/// No setting: what a header of a post to a target may hold.
inline constexpr std::string_view post_header_limit = "post_header_bytes_max";

/// Counts that a limit refused or ended something.
void count_limit(MetricsRegistry& metrics, std::string_view limit);

/// What the server counts.
struct ServerMetrics {
    explicit ServerMetrics(MetricsRegistry& registry);
    /// How often a limit was reached.
    [[nodiscard]] Counter& reached(std::string_view limit);

    MetricsRegistry& metrics;
    Gauge& connections;
    Gauge& body_bytes;
    Counter& requests;
    Counter& malformed;
};

}  // namespace millrace::broker::http
