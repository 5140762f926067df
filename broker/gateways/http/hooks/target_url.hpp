#pragma once

#include <string>
#include <string_view>

#include "storage/base/result.hpp"

namespace millrace::broker::http {

struct TargetUrl {
    std::string host;
    std::string port;
    std::string path;  ///< with the query
    bool is_https = false;
};

/// `http://host[:port][/path]` or `https://...`. Errors: configuration.
[[nodiscard]] Result<TargetUrl> parse_target_url(std::string_view text);

}  // namespace millrace::broker::http
