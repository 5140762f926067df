#pragma once

#include <string>
#include <string_view>

namespace millrace::broker::odoo {

/// What a person reads of html: no tags, the common entities as characters, one blank between
/// words. Odoo cleans and wraps what it is given, so that only this can be compared.
[[nodiscard]] std::string html_text(std::string_view html);

}  // namespace millrace::broker::odoo
