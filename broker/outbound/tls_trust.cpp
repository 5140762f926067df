#include "broker/outbound/tls_trust.hpp"

#include <utility>

#include <boost/asio/ssl/verify_mode.hpp>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "storage/base/assert.hpp"

namespace millrace::broker {

TlsTrust::TlsTrust(std::string ca_file, std::string setting)
    : context_(boost::asio::ssl::context::tls_client),
      ca_file_(std::move(ca_file)),
      setting_(std::move(setting)) {
    context_.set_verify_mode(boost::asio::ssl::verify_peer);
    const auto is_set = SSL_CTX_set_min_proto_version(context_.native_handle(), TLS1_2_VERSION);
    MILLRACE_ASSERT(is_set == 1);
}

Result<std::shared_ptr<TlsTrust>> TlsTrust::load(std::string ca_file, std::string setting) {
    std::shared_ptr<TlsTrust> trust(new TlsTrust(std::move(ca_file), std::move(setting)));
    boost::system::error_code error;
    if (trust->ca_file_.empty()) {
        trust->context_.set_default_verify_paths(error);
        if (error) {
            return fail(Errc::configuration, "the system's CAs cannot be read: " + error.message());
        }
        return trust;
    }
    trust->context_.load_verify_file(trust->ca_file_, error);
    if (error) {
        return fail(Errc::configuration,
                    trust->setting_ + ": no certificate in PEM can be read from " +
                        trust->ca_file_ + ": " + error.message());
    }
    // A plant's CA may stand below one that is in no file here.
    const auto is_set = X509_VERIFY_PARAM_set_flags(
        SSL_CTX_get0_param(trust->context_.native_handle()), X509_V_FLAG_PARTIAL_CHAIN);
    MILLRACE_ASSERT(is_set == 1);
    return trust;
}

}  // namespace millrace::broker
