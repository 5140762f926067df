#include "broker/odoo/mapping/expression.hpp"

namespace millrace::broker::odoo {

Result<Json> Expression::evaluate(const std::string& event) const {
    MILLRACE_TRY(const auto outputs, program.run(event));
    if (outputs.size() != 1) {
        return fail(Errc::invalid_argument,
                    "gives " + std::to_string(outputs.size()) + " values where one is wanted");
    }
    return Json::parse(outputs.front(), nullptr, false);
}

Fault Expression::fault(const std::string& text) const {
    return {.cause = Cause::mapping, .error = place + ": " + name + ": " + text};
}

// On the line of the program, so that lines in jq's words stay right.
const char* expression_prelude() noexcept {
    return R"(def external_name: )"
           R"(if . == null or . == "" then error("external_name of nothing") else tostring end )"
           R"(| explode | map(if (. >= 48 and . <= 57) or (. >= 65 and . <= 90) )"
           R"(or (. >= 97 and . <= 122) or . == 45 )"
           R"(then [.] | implode else "_" + tostring + "_" end) | add // ""; )"
           R"(def odoo_datetime: . / 1000000 | floor | strftime("%Y-%m-%d %H:%M:%S"); )"
           R"(def odoo_date: . / 1000000 | floor | strftime("%Y-%m-%d"); )";
}

}  // namespace millrace::broker::odoo
