#pragma once

#include <deque>
#include <functional>
#include <string>

namespace boost::asio {
class io_context;
}

namespace millrace::stand_ins {

struct WebhookPost {
    std::string url;
    std::string body;
};

/// Posts JSON as Odoo's webhook action does, one after another: waits for at most a second each, is
/// silent about what went wrong, never tries again. `http://127.0.0.1:port/path`, in numbers. Calls
/// `done` after the last.
void post_webhooks(boost::asio::io_context& context,
                   std::deque<WebhookPost> posts,
                   std::function<void()> done);

}  // namespace millrace::stand_ins
