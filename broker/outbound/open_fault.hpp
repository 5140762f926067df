#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <boost/system/error_code.hpp>

namespace millrace::broker {

class TlsTrust;
struct Peer;

/// Why a connection could not be opened. Nothing was sent.
struct OpenFault {
    /// Waiting does not help: a certificate that is not trusted, no TLS where it is asked for.
    bool is_configuration = false;
    std::string reason;  ///< what is wrong and what to do
};

/// What OpenSSL says of a handshake that failed.
struct HandshakeEnd {
    boost::system::error_code error;
    long verify_result = 0;  ///< X509_V_OK unless the certificate is at fault
};
[[nodiscard]] OpenFault handshake_fault(const HandshakeEnd& end,
                                        const std::string& host,
                                        const TlsTrust& trust);

/// After the handshake: the server wants a certificate from us, and has done nothing.
[[nodiscard]] bool is_client_certificate_wanted(const boost::system::error_code& error);
inline constexpr std::string_view client_certificate_wanted =
    "the server wants a certificate from us, which is not spoken: let it take calls without one";
inline constexpr std::string_view tls_spoken =
    "TLS is spoken there: the address begins with https://";
/// Whether the first bytes of an answer are an alert of TLS to what was sent in plain http, of
/// which nothing was done.
[[nodiscard]] bool is_tls_alert(const Peer& peer, std::string_view bytes);
/// What to set, when the body of a 400 is what servers say to plain http on a port of TLS, or to a
/// client without a certificate.
[[nodiscard]] std::optional<std::string_view> tls_hint(std::string_view body);

}  // namespace millrace::broker
