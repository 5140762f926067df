#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/stand_ins/odoo_sim/simulator.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::stand_ins {

struct ServerOptions {
    std::uint16_t port = 0;
    std::uint16_t control_port = 0;
    std::size_t workers = 2;  ///< calls at a time, as Odoo's prefork; the others wait
    std::string tls_cert;     ///< PEM file, with `tls_key`: Odoo's port speaks TLS; empty: plain
    std::string tls_key;
};

struct ServerPorts {
    std::uint16_t odoo = 0;
    std::uint16_t control = 0;
};

/// The simulator on sockets of 127.0.0.1: HTTP/1.0, a connection a request, in TLS when there is a
/// certificate. The controls have a port of their own, which is plain and stays open while the
/// server plays dead.
class Server {
  public:
    Server(boost::asio::io_context& context, Simulator& simulator, ServerOptions options);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    Server(Server&&) = delete;
    Server& operator=(Server&&) = delete;
    ~Server();  // NOLINT(bugprone-exception-escape): see its definition

    /// Throws boost::system::system_error when a port is taken or the certificate cannot be read.
    [[nodiscard]] ServerPorts listen();

  private:
    struct Impl;
    template <class Stream>
    class Exchange;
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::stand_ins
