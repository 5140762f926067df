#pragma once

#include <string>
#include <string_view>

#include "storage/base/result.hpp"

namespace millrace::broker::http {

struct TargetUrl {
    std::string host;
    std::string port;
    std::string path;  ///< with the query
};

/// `http://host[:port][/path]`. Errors: configuration.
[[nodiscard]] Result<TargetUrl> parse_target_url(std::string_view text);

}  // namespace millrace::broker::http
