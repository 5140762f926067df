#include "broker/odoo/tools/odoo_client.hpp"

#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "broker/odoo/plan/calls.hpp"

namespace millrace::broker::odoo {
namespace {

Errc code_of(Cause cause) {
    switch (cause) {
        case Cause::outage:
        case Cause::transient:
        case Cause::outcome_unknown:
            return Errc::unavailable;
        case Cause::authorization:
        case Cause::configuration:
            return Errc::configuration;
        default:
            return Errc::invalid_argument;
    }
}

}  // namespace

struct OdooClient::Impl {
    boost::asio::io_context context;
    std::unique_ptr<Transport> transport;
};

OdooClient::OdooClient(OdooApi api, OdooTarget target) : impl_(std::make_unique<Impl>()) {
    impl_->transport = make_transport(api, impl_->context, std::move(target));
}

OdooClient::OdooClient(std::unique_ptr<Transport> transport) : impl_(std::make_unique<Impl>()) {
    impl_->transport = std::move(transport);
}

OdooClient::~OdooClient() = default;

Reply OdooClient::call(const Call& call) {
    std::optional<Reply> reply;
    impl_->transport->call(call, [&reply](Reply given) { reply = std::move(given); });
    impl_->context.restart();
    while (!reply && impl_->context.run_one() > 0) {
    }
    return reply ? std::move(*reply)
                 : Fault{.cause = Cause::outage, .error = "the call ended without an answer"};
}

Result<Json> OdooClient::ask(const Call& call) {
    const auto reply = this->call(call);
    if (const auto* const fault = std::get_if<Fault>(&reply)) {
        return fail(code_of(fault->cause), fault->error);
    }
    return Json::parse(std::get<std::string>(reply), nullptr, false);
}

Result<Json> OdooClient::find_reference(const std::string& external_id) {
    auto found = ask(reference_call(external_id));
    if (!found && found.error().text.find("External ID not found") != std::string::npos) {
        return Json();
    }
    return found;
}

}  // namespace millrace::broker::odoo
