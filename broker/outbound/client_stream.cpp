#include "broker/outbound/client_stream.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "broker/outbound/tls_trust.hpp"

namespace millrace::broker {
namespace {

using boost::system::error_code;

OpenFault unreachable(const error_code& error) {
    return {.reason = error.message()};
}

}  // namespace

ClientStream::ClientStream(boost::asio::io_context& context, Peer peer)
    : peer_(std::move(peer)), resolver_(context), plain_(context) {
    if (peer_.trust) {
        tls_.emplace(context, peer_.trust->context());
    }
}

void ClientStream::open(std::chrono::milliseconds timeout, Opened opened) {
    resolver_.async_resolve(
        peer_.host,
        peer_.port,
        [this, timeout, opened = std::move(opened)](error_code error, const auto& found) mutable {
            if (!error && is_closed_) {
                error = boost::asio::error::operation_aborted;
            }
            error ? opened(unreachable(error)) : connect(found, timeout, std::move(opened));
        });
}

void ClientStream::connect(const Tcp::resolver::results_type& found,
                           std::chrono::milliseconds timeout,
                           Opened opened) {
    tcp().expires_after(timeout);
    tcp().async_connect(
        found, [this, opened = std::move(opened)](error_code error, const Tcp::endpoint&) mutable {
            if (error) {
                opened(unreachable(error));
            } else if (tls_) {
                shake_hands(std::move(opened));
            } else {
                opened(std::nullopt);
            }
        });
}

void ClientStream::shake_hands(Opened opened) {
    if (!name_host()) {
        opened(OpenFault{.is_configuration = true,
                         .reason = "\"" + peer_.host + "\" is no name that TLS can ask for"});
        return;
    }
    error_code ignored;
    // Records of TLS are written one by one: none waits until the one before has arrived.
    tcp().socket().set_option(Tcp::no_delay(true), ignored);
    tls_->async_handshake(boost::asio::ssl::stream_base::client,
                          [this, opened = std::move(opened)](error_code error) {
                              if (!error) {
                                  opened(std::nullopt);
                                  return;
                              }
                              const HandshakeEnd end{
                                  .error = error,
                                  .verify_result = SSL_get_verify_result(tls_->native_handle())};
                              opened(handshake_fault(end, peer_.host, *peer_.trust));
                          });
}

bool ClientStream::name_host() {
    SSL* const ssl = tls_->native_handle();
    if (peer_.host.empty()) {
        return false;  // OpenSSL would check no name
    }
    error_code is_name;
    (void)boost::asio::ip::make_address(peer_.host, is_name);
    if (!is_name) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), peer_.host.c_str()) == 1;
    }
    // A name in the subject is no name of a host.
    SSL_set_hostflags(ssl,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set1_host(ssl, peer_.host.c_str()) == 1 &&
           // The macro for this casts constness away.
           SSL_ctrl(
               ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, peer_.host.data()) ==
               1;
}

void ClientStream::close() {
    is_closed_ = true;
    resolver_.cancel();
    tcp().close();
}

}  // namespace millrace::broker
