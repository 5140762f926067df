// A mapping file, and an event of a file: what a person has written, read without trust.
#include "broker/odoo/mapping/mapping.hpp"

#include <string>

#include "tests/fuzz/fuzz_check.hpp"

#include "broker/odoo/plan/scope.hpp"

namespace millrace::broker::odoo {
namespace {

using fuzz::check;

void parse(const std::string& text) {
    const auto mapping = parse_mapping("m.yaml", text);
    if (mapping.has_error()) {
        check(mapping.error().code == Errc::configuration, "a bad file is a bad configuration");
        check(mapping.error().text.starts_with("m.yaml"), "an error names the file");
        return;
    }
    check(!mapping.value().rules().empty(), "a good file has rules");
    for (const auto& rule : mapping.value().rules()) {
        check(!rule.topics.empty() && !rule.steps.empty(), "a rule has topics and steps");
        for (const auto& step : rule.steps) {
            check(step.action != Action::upsert || step.external_id, "an upsert has an id");
        }
    }
}

void parse_event(const std::string& text) {
    const auto scope = Scope::of_json(text);
    if (scope.has_value()) {
        check(Json::accept(scope.value().text()), "what programs see is JSON");
    }
}

}  // namespace
}  // namespace millrace::broker::odoo

// libjq 1.6 leaks a few bytes of a program that it does not accept; the process that reads a bad
// mapping ends anyway.
// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming): the sanitizer's name
extern "C" const char* __lsan_default_suppressions() {
    return "leak:libjq";
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = millrace::fuzz::bytes_of(data, size);
    const std::string text(reinterpret_cast<const char*>(input.data()), input.size());
    millrace::broker::odoo::parse(text);
    millrace::broker::odoo::parse_event(text);
    return 0;
}
