#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "broker/gateways/http/admin/names.hpp"
#include "broker/gateways/http/routing/route.hpp"
#include "storage/base/text/time_headers.hpp"

namespace millrace::broker::http {

// Members of a body that the router has checked. What is not there leaves the target as it is.

template <class Value>
void take(const Json& body, std::string_view name, Value& target) {
    if (const auto found = body.find(name); found != body.end()) {
        target = found->get<Value>();
    }
}
template <class Value>
void take(const Json& body, std::string_view name, std::optional<Value>& target) {
    if (const auto found = body.find(name); found != body.end()) {
        target = found->get<Value>();
    }
}
template <class Enum, std::size_t Count, class Target>
void take_named(const Json& body,
                std::string_view name,
                const Names<Enum, Count>& names,
                Target& target) {
    if (const auto found = body.find(name); found != body.end()) {
        if (const auto value = find_named(names, found->get<std::string>())) {
            target = *value;
        }
    }
}
inline void take_moment(const Json& body, std::string_view name, UnixMicros& target) {
    if (const auto found = body.find(name); found != body.end()) {
        target = parse_moment(found->get<std::string>()).value_or(target);
    }
}

/// Answers with nothing but that it is done.
inline void answer_done(const Respond& respond) {
    respond({.status = 204, .content_type = ""});
}

/// Who did it, as it stands in the history of what was done.
inline constexpr std::string_view default_by = "http";

}  // namespace millrace::broker::http
