#pragma once

#include <cstdint>
#include <string>

#include <boost/outcome/basic_result.hpp>
#include <boost/outcome/try.hpp>

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
/// the error.
#define MILLRACE_TRY(...) BOOST_OUTCOME_TRY(__VA_ARGS__)
