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

#include "broker/outbound/peer.hpp"
#include "broker/outbound/tls_trust.hpp"

namespace millrace::broker {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr int reason_of_another_library = -1;

/// The reason that TLS gives, or 0 when it is not OpenSSL that speaks.
int ssl_reason(const error_code& error) {
    if (error.category() != asio::error::get_ssl_category()) {
        return 0;
    }
    const auto code = static_cast<unsigned long>(error.value());
    return ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : reason_of_another_library;
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
            return "its certificate, or that of a CA above it, has expired: renew it, and check "
                   "this machine's clock";
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "its certificate, or that of a CA above it, is not valid yet: check this "
                   "machine's clock";
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
    if (reason == SSL_R_WRONG_VERSION_NUMBER) {
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
    // First: what OpenSSL reports is the oldest of its errors, which may be another's.
    if (ssl_reason(end.error) != 0 && end.verify_result != X509_V_OK) {
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

bool is_tls_alert(const Peer& peer, std::string_view bytes) {
    constexpr char alert = 0x15;
    return !peer.trust && bytes.starts_with(alert);
}

std::optional<std::string_view> tls_hint(std::string_view body) {
    constexpr std::size_t page_bytes_max = 1'024;
    constexpr std::string_view of_go = "Client sent an HTTP request to an HTTPS server.";
    // nginx and Apache; nginx without a client certificate. With their markup, and nothing of JSON:
    // a target that repeats what it was sent does not say such a thing of itself.
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> hints{
        {{"<center>The plain HTTP request was sent to HTTPS port</center>", tls_spoken},
         {"You're speaking plain HTTP to an SSL-enabled server port.<br", tls_spoken},
         {"<center>No required SSL certificate was sent</center>", client_certificate_wanted}}};
    const auto begin = std::min(body.find_first_not_of(" \r\n"), body.size());
    const auto text = body.substr(begin, body.find_last_not_of(" \r\n") + 1 - begin);
    if (text == of_go) {
        return tls_spoken;  // also Traefik and Caddy
    }
    if (body.size() > page_bytes_max || text.starts_with('{') || text.starts_with('[') ||
        text.starts_with('"')) {
        return std::nullopt;
    }
    const auto* const found = std::ranges::find_if(
        hints, [&](const auto& hint) { return text.find(hint.first) != std::string_view::npos; });
    return found == hints.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace millrace::broker
