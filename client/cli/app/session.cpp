#include "client/cli/app/session.hpp"

#include <algorithm>
#include <ostream>
#include <stdexcept>

#include "client/cli/text/time_text.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {

Session::Session(Globals globals, Streams streams)
    : globals_(std::move(globals)), streams_(streams) {}

Session::~Session() = default;

Client& Session::client() {
    if (!client_) {
        ClientOptions options;
        const auto timeout = timeout_or(options.request_timeout);
        options.brokers = globals_.brokers;
        options.client_name = "millrace-cli";
        options.request_timeout = timeout;
        options.connect_timeout = std::min(options.connect_timeout, timeout);
        client_ = std::make_unique<Client>(options);
    }
    return *client_;
}

std::chrono::milliseconds Session::timeout_or(std::chrono::milliseconds otherwise) const {
    return globals_.timeout.empty() ? otherwise
                                    : std::chrono::duration_cast<std::chrono::milliseconds>(
                                          require_duration(globals_.timeout, "--timeout"));
}

Admin Session::admin() {
    return client().admin();
}

void Session::flush_out() {
    if (!streams_.out.flush()) {
        throw std::runtime_error("stdout can't be written");
    }
}

void Session::note(std::string_view text) {
    if (!globals_.quiet) {
        streams_.err << text << '\n';
    }
}

void Session::warn(std::string_view text) {
    streams_.err << "millrace: " << text << '\n';
}

}  // namespace millrace::cli
