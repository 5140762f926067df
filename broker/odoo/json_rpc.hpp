#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "broker/odoo/odoo_url.hpp"
#include "broker/odoo/transport.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker::odoo {

/// Who calls. The key is an API key or a password; it never shows in a log or an error.
struct OdooLogin {
    std::string database;
    std::string login;
    std::string key;
};

struct JsonRpcOptions {
    OdooUrl url;
    OdooLogin login;
    std::chrono::milliseconds connect_timeout{5'000};
    /// Above Odoo's own limit of 120 s, or calls that are still at work look lost.
    std::chrono::milliseconds call_timeout{150'000};
    std::uint64_t answer_bytes_max = 64ULL << 20U;
};

/// Odoo's JSON-RPC, one connection a call: the server closes each.
///
/// Promise:  a call that was not sent, or that Odoo refused, is told from one whose outcome nobody
///           knows.
/// Threads:  the one that runs the io_context.
/// Failure:  a login that is refused is tried again with the next call.
class JsonRpcTransport final : public Transport {
  public:
    JsonRpcTransport(boost::asio::io_context& context, JsonRpcOptions options);
    JsonRpcTransport(const JsonRpcTransport&) = delete;
    JsonRpcTransport& operator=(const JsonRpcTransport&) = delete;
    JsonRpcTransport(JsonRpcTransport&&) = delete;
    JsonRpcTransport& operator=(JsonRpcTransport&&) = delete;
    ~JsonRpcTransport() override;

    void call(const Call& call, ReplyDone done) override;
    void stop() override;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

/// What an HTTP 200 of the JSON-RPC endpoint says.
[[nodiscard]] Reply parse_rpc_answer(std::string_view body);

}  // namespace millrace::broker::odoo
