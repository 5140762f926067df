#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/odoo/answers/fault.hpp"
#include "broker/outbound/peer.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker::odoo {

struct HttpLimits {
    /// In TLS the handshake included.
    std::chrono::milliseconds connect_timeout{5'000};
    /// Above Odoo's own limit of 120 s, or calls that are still at work look lost.
    std::chrono::milliseconds call_timeout{150'000};
    std::uint64_t answer_bytes_max = 64ULL << 20U;
};

struct HttpPost {
    std::string path;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
};
struct HttpAnswered {
    unsigned status = 0;
    std::string body;
};
/// An answer, or why there is none: unreachable is an outage, a peer that TLS cannot trust is
/// configuration, lost after sending is unknown; then `cause_of_read` tells no answer, an outage,
/// from one that is too large.
using HttpOutcome = std::variant<HttpAnswered, Fault>;

/// POSTs of JSON over http or https, each on a connection of its own: Odoo closes each.
///
/// Promise:  what could not be sent is told from what was sent and has no answer. Nothing that is
///           sent shows in an error.
/// Threads:  the one that runs the io_context.
class HttpPoster {
  public:
    using Done = std::function<void(HttpOutcome)>;

    HttpPoster(boost::asio::io_context& context, Peer peer, HttpLimits limits);
    HttpPoster(const HttpPoster&) = delete;
    HttpPoster& operator=(const HttpPoster&) = delete;
    HttpPoster(HttpPoster&&) = delete;
    HttpPoster& operator=(HttpPoster&&) = delete;
    ~HttpPoster();

    void post(HttpPost post, Done done);
    /// Ends what is under way without an answer.
    void stop();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::broker::odoo
