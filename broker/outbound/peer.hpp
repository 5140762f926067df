#pragma once

#include <memory>
#include <string>

namespace millrace::broker {

class TlsTrust;

/// Where a connection leads.
struct Peer {
    std::string host;
    std::string port;
    std::shared_ptr<TlsTrust> trust;  ///< null: plain

    [[nodiscard]] std::string place() const { return host + ":" + port; }
    /// As the Host header says it: with the port, unless it is that of http or https.
    [[nodiscard]] std::string authority() const {
        return port == (trust ? "443" : "80") ? host : place();
    }
};

}  // namespace millrace::broker
