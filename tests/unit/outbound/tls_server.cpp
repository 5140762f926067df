#include "tests/unit/outbound/tls_server.hpp"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <openssl/ssl.h>

namespace millrace::test {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t buffer_bytes = 65'536;

asio::ip::tcp::endpoint any_port() {
    return {asio::ip::address_v4::loopback(), 0};
}

}  // namespace

TlsServer::TlsServer(asio::io_context& context, const Certificate& certificate, Options options)
    : options_(std::move(options)),
      tls_(asio::ssl::context::tls_server),
      acceptor_(context, any_port()),
      port_(acceptor_.local_endpoint().port()),
      stream_((tls_.use_certificate_chain(asio::buffer(certificate.pem() + options_.chain)),
               tls_.use_private_key(asio::buffer(certificate.key_pem()), asio::ssl::context::pem),
               context),
              tls_),
      buffer_(buffer_bytes, '\0') {
    if (options_.wants_certificate) {
        stream_.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    }
    acceptor_.async_accept(stream_.next_layer(), [this](error_code error) {
        if (!error) {
            shake_hands();
        }
    });
}

std::string TlsServer::port() const {
    return std::to_string(port_);
}

void TlsServer::shake_hands() {
    stream_.async_handshake(asio::ssl::stream_base::server, [this](error_code error) {
        if (error) {
            close();
            return;
        }
        const char* const name =
            SSL_get_servername(stream_.native_handle(), TLSEXT_NAMETYPE_host_name);
        asked_for_ = name != nullptr ? name : "";
        read();
    });
}

void TlsServer::read() {
    stream_.async_read_some(asio::buffer(buffer_), [this](error_code error, std::size_t bytes) {
        if (error) {
            close();
            return;
        }
        request_.append(buffer_, 0, bytes);
        if (request_.size() < options_.request_bytes) {
            read();
            return;
        }
        error_code ignored;
        asio::write(stream_, asio::buffer(options_.answer), ignored);
        close();
    });
}

void TlsServer::close() {
    error_code ignored;
    acceptor_.close(ignored);
    stream_.next_layer().close(ignored);
}

PlainServer::PlainServer(asio::io_context& context, std::string answer, Then then)
    : answer_(std::move(answer)),
      then_(then),
      acceptor_(context, any_port()),
      port_(acceptor_.local_endpoint().port()),
      socket_(context),
      buffer_(buffer_bytes, '\0') {
    acceptor_.async_accept(socket_, [this](error_code error) {
        if (error) {
            return;
        }
        socket_.async_read_some(asio::buffer(buffer_),
                                [this](error_code, std::size_t) { write_answer(); });
    });
}

void PlainServer::write_answer() {
    error_code ignored;
    asio::write(socket_, asio::buffer(answer_), ignored);
    if (then_ == Then::closes) {
        socket_.close(ignored);
    }
}

std::string PlainServer::port() const {
    return std::to_string(port_);
}

}  // namespace millrace::test
