#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "broker/odoo/transport/http_exchange.hpp"
#include "broker/odoo/transport/login.hpp"
#include "broker/odoo/transport/transport.hpp"

namespace millrace::broker::odoo {

/// Where Odoo is and who calls.
struct OdooTarget {
    Peer peer;
    OdooLogin login;
    HttpLimits limits;
};

/// Odoo's JSON-RPC, up to Odoo 21.
///
/// Promise:  a call that was not sent, or that Odoo refused, is told from one whose outcome nobody
///           knows.
/// Threads:  the one that runs the io_context.
/// Failure:  a login that is refused is tried again with the next call.
class JsonRpcTransport final : public Transport {
  public:
    JsonRpcTransport(boost::asio::io_context& context, OdooTarget target);
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

/// What an HTTP 200 of the JSON-RPC endpoint says to the request of that id.
[[nodiscard]] Reply parse_rpc_answer(std::string_view body, std::uint64_t request_id);

/// Positional and keyword arguments of `execute_kw` for a call, each as JSON.
[[nodiscard]] std::pair<Json, Json> rpc_arguments(const Call& call);

}  // namespace millrace::broker::odoo
