#pragma once

#include <memory>
#include <string_view>

#include "broker/odoo/transport/json_rpc.hpp"

namespace millrace::broker::odoo {

/// `POST /json/2/<model>/<method>` of Odoo 19 and later: a bearer key, every argument by name.
///
/// Promise:  as JsonRpcTransport. A call changes at most one transaction, as there.
/// Threads:  the one that runs the io_context.
class Json2Transport final : public Transport {
  public:
    Json2Transport(boost::asio::io_context& context, OdooTarget target);

    void call(const Call& call, ReplyDone done) override;
    void stop() override { poster_.stop(); }

  private:
    OdooLogin login_;
    HttpPoster poster_;
};

/// What an answer of that interface says.
[[nodiscard]] Reply parse_json2_answer(unsigned status, std::string_view body);
/// The body of a call.
[[nodiscard]] Json json2_body(const Call& call);

enum class OdooApi { jsonrpc, json2 };
/// Errors: configuration, for another word.
[[nodiscard]] Result<OdooApi> parse_odoo_api(std::string_view text);
[[nodiscard]] std::unique_ptr<Transport> make_transport(OdooApi api,
                                                        boost::asio::io_context& context,
                                                        OdooTarget target);

}  // namespace millrace::broker::odoo
