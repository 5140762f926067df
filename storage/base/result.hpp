#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/success_failure.hpp>

#include "storage/base/errc.hpp"

namespace millrace {

/// An expected failure. `text` is the sentence a person sees and carries the values:
/// "segment 42, position 8192: checksum mismatch, stored 1f.., computed 9c..".
struct Error {
    Errc code = Errc::internal;
    int os_error = 0;  ///< errno, where the system said no
    std::string text;
};

/// Builds an error with a sentence: `return fail(Errc::unknown_topic, "topic \"a.b\" does not
/// exist");`
[[nodiscard]] inline Error fail(Errc code, std::string text, int os_error = 0) {
    return Error{.code = code, .os_error = os_error, .text = std::move(text)};
}

/// A value or an `Error`. Named only here, so that `std::expected` can replace it.
template <class T>
using Result = boost::outcome_v2::basic_result<T, Error, boost::outcome_v2::policy::terminate>;

[[nodiscard]] inline auto ok() {
    return boost::outcome_v2::success();
}

}  // namespace millrace

/// `MILLRACE_TRY(auto value, expression);` or `MILLRACE_TRY(expression);`: leaves the function with
/// the error. In place of Outcome's macro because it opens no block, which would count as a level
/// of nesting wherever it stands.
#define MILLRACE_TRY(...)                 \
    MILLRACE_TRY_PICK(__VA_ARGS__,        \
                      MILLRACE_TRY_TAKE,  \
                      MILLRACE_TRY_TAKE,  \
                      MILLRACE_TRY_TAKE,  \
                      MILLRACE_TRY_TAKE,  \
                      MILLRACE_TRY_TAKE,  \
                      MILLRACE_TRY_CHECK, \
                      void)               \
    (MILLRACE_TRY_NAME(tried_, __COUNTER__), __VA_ARGS__)
#define MILLRACE_TRY_PICK(a, b, c, d, e, f, macro, ...) macro
#define MILLRACE_TRY_NAME(word, number) MILLRACE_TRY_JOIN(word, number)
#define MILLRACE_TRY_JOIN(word, number) word##number
#define MILLRACE_TRY_CHECK(tried, ...)  \
    auto&& tried = (__VA_ARGS__);       \
    if (tried.has_error()) [[unlikely]] \
    return std::forward<decltype(tried)>(tried).error()
#define MILLRACE_TRY_TAKE(tried, target, ...) \
    MILLRACE_TRY_CHECK(tried, __VA_ARGS__);   \
    target = std::forward<decltype(tried)>(tried).value()
