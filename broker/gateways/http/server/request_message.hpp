#pragma once

#include <string>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include "broker/gateways/http/server/message.hpp"

namespace millrace::broker::http {

/// What the library has read, in the words of the door.
[[nodiscard]] RequestPtr request_of(
    boost::beast::http::request<boost::beast::http::string_body> message, std::string peer);

}  // namespace millrace::broker::http
