#include "broker/outbound/open_fault.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/beast/core/error.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "broker/outbound/tls_trust.hpp"

namespace millrace::broker {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

/// OpenSSL's reason, or 0 when it is not OpenSSL that speaks.
int ssl_reason(const error_code& error) {
    const bool is_ssl = error.category() == asio::error::get_ssl_category();
    return is_ssl ? ERR_GET_REASON(static_cast<unsigned long>(error.value())) : 0;
}

std::string issuer_fault(const TlsTrust& trust) {
    if (trust.ca_file().empty()) {
        return "its certificate was issued by none of the CAs that this system trusts: give the "
               "file with its CA as " +
               trust.setting();
    }
    return "its certificate was issued by none of the CAs in " + trust.ca_file() + ": correct " +
           trust.setting();
}

std::string certificate_fault(long result, const std::string& host, const TlsTrust& trust) {
    switch (result) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "its certificate has expired: renew it there, and check this machine's clock";
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "its certificate is not valid yet: check this machine's clock";
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return "its certificate is not for \"" + host +
                   "\": use a name that stands in the certificate";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return issuer_fault(trust);
        default:
            return std::string("its certificate is not trusted: ") +
                   X509_verify_cert_error_string(result);
    }
}

/// An alert of the server or a rule of TLS, as opposed to a connection that went away.
OpenFault protocol_fault(const error_code& error) {
    const auto reason = ssl_reason(error);
    if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST) {
        return {.is_configuration = true,
                .reason =
                    "no TLS is spoken there: is it a port of plain http? Then the address "
                    "begins with http://"};
    }
    // What TLS calls internal error and user cancelled passes.
    const bool may_pass =
        reason == SSL_R_TLSV1_ALERT_INTERNAL_ERROR || reason == SSL_R_TLSV1_ALERT_USER_CANCELLED;
    return {.is_configuration = !may_pass,
            .reason = "the TLS handshake failed: " + error.message()};
}

}  // namespace

OpenFault handshake_fault(const HandshakeEnd& end, const std::string& host, const TlsTrust& trust) {
    if (end.error == boost::beast::error::timeout) {
        return {.reason = "no answer to the TLS handshake in time: is it a port of plain http?"};
    }
    if (ssl_reason(end.error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        return {.is_configuration = true,
                .reason = certificate_fault(end.verify_result, host, trust)};
    }
    if (ssl_reason(end.error) != 0) {
        return protocol_fault(end.error);
    }
    return {.reason = "the connection ended in the TLS handshake (" + end.error.message() +
                      "): is it a port of plain http?"};
}

bool is_client_certificate_wanted(const error_code& error) {
    return ssl_reason(error) == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED;
}

std::optional<std::string_view> tls_hint(std::string_view body) {
    static constexpr std::string_view is_tls =
        "TLS is spoken there: the address begins with https://";
    // nginx, Apache, servers in Go such as Traefik and Caddy; nginx without a client certificate.
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> hints{
        {{"plain HTTP request was sent to HTTPS port", is_tls},
         {"speaking plain HTTP to an SSL-enabled server port", is_tls},
         {"Client sent an HTTP request to an HTTPS server", is_tls},
         {"No required SSL certificate was sent", client_certificate_wanted}}};
    const auto* const found = std::ranges::find_if(
        hints, [&](const auto& hint) { return body.find(hint.first) != std::string_view::npos; });
    return found == hints.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace millrace::broker
