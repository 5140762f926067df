#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::broker::odoo {

/// At most that many bytes of a text from outside, as UTF-8; what is none is left out.
[[nodiscard]] std::string readable_text(std::string_view text, std::size_t bytes_max);

}  // namespace millrace::broker::odoo
