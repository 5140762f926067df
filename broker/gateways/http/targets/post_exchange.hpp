#pragma once

#include <functional>
#include <memory>

#include "broker/gateways/http/targets/post_request.hpp"
#include "broker/gateways/http/targets/verdict.hpp"

namespace millrace::broker::http {

/// One post on a connection of its own.
class PostExchange {
  public:
    PostExchange() = default;
    PostExchange(const PostExchange&) = delete;
    PostExchange& operator=(const PostExchange&) = delete;
    PostExchange(PostExchange&&) = delete;
    PostExchange& operator=(PostExchange&&) = delete;
    virtual ~PostExchange() = default;
    /// Ends it without an answer.
    virtual void stop() = 0;
};

using PostDone = std::function<void(PostAnswer)>;

/// `done` runs once, later, on the control thread, unless the exchange is stopped. The target must
/// outlive it.
[[nodiscard]] std::shared_ptr<PostExchange> start_post(boost::asio::io_context& control,
                                                       const WebhookTarget& target,
                                                       PostRequest post,
                                                       PostDone done);

}  // namespace millrace::broker::http
