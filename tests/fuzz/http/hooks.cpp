// The file of hooks and targets, and what a post becomes by a hook that it defines.
#include "tests/fuzz/fuzz_check.hpp"

#include "broker/gateways/http/hooks/hook_file.hpp"
#include "broker/gateways/http/hooks/hook_intake.hpp"
#include "broker/gateways/http/hooks/target_url.hpp"

namespace millrace::broker::http {
namespace {

using fuzz::check;

/// A program that a fuzzer writes may run for ever: posts go to this one alone.
const Hook& fixed_hook() {
    static const HookFile file = parse_hook_file("fixed", R"yaml(
hooks:
  - name: x
    topic: '"t." + (.body.topic? // "none" | tostring)'
    key: .body.key?
    event_id: .body_sha256
    event_time: .body.time?
    value: .body.value?
    headers: {h: .headers.h}
    open: true
)yaml")
                                     .value();
    return file.hooks.begin()->second;
}

void parse_as_file(std::string_view text) {
    const auto file = parse_hook_file("f", std::string(text));
    if (!file) {
        check(file.error().code == Errc::configuration, "a bad file is a matter of configuration");
        return;
    }
    for (const auto& target : file.value().targets) {
        check(!target.peer.host.empty() && target.path.starts_with('/'), "a target has an address");
    }
}

void parse_as_post(std::string_view text) {
    Request request;
    request.body = text;
    request.headers = {{"h", std::string(text.substr(0, 20))}};
    const auto made = record_of_hook(fixed_hook(), request, {});
    if (made && made.value()) {
        check(made.value()->record.header("event-id").has_value(), "the id is there");
    }
}

}  // namespace
}  // namespace millrace::broker::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto input = millrace::fuzz::bytes_of(data, size);
    const auto kind = millrace::fuzz::take_byte(input);
    const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
    switch (kind % 3) {
        case 0:
            millrace::broker::http::parse_as_file(text);
            break;
        case 1:
            millrace::broker::http::parse_as_post(text);
            break;
        default:
            (void)millrace::broker::http::parse_target_url(text);
    }
    return 0;
}
