#include "broker/gateways/http/server/request_message.hpp"

#include <utility>

#include "storage/base/text/lower.hpp"

namespace millrace::broker::http {
namespace {

namespace bhttp = boost::beast::http;

Method method_of(bhttp::verb verb) {
    switch (verb) {
        case bhttp::verb::get:
            return Method::get;
        case bhttp::verb::head:
            return Method::head;
        case bhttp::verb::post:
            return Method::post;
        case bhttp::verb::put:
            return Method::put;
        case bhttp::verb::patch:
            return Method::patch;
        case bhttp::verb::delete_:
            return Method::del;
        case bhttp::verb::options:
            return Method::options;
        default:
            return Method::other;
    }
}

template <class Text>
std::string text_of(const Text& text) {
    return {text.data(), text.size()};
}

}  // namespace

RequestPtr request_of(bhttp::request<bhttp::string_body> message, std::string peer) {
    auto request = std::make_shared<Request>();
    request->method = method_of(message.method());
    request->target = text_of(message.target());
    for (const auto& field : message.base()) {
        request->headers.emplace_back(ascii_lower(text_of(field.name_string())),
                                      text_of(field.value()));
    }
    request->has_length = message.has_content_length() || message.chunked();
    request->body = std::move(message.body());
    request->peer = std::move(peer);
    return request;
}

}  // namespace millrace::broker::http
