// What Odoo answers: envelopes of both interfaces, results of load, of the ledger, errors by class.
#include <string_view>

#include "tests/fuzz/fuzz_check.hpp"

#include "broker/odoo/answers/ledger_answer.hpp"
#include "broker/odoo/answers/load_answer.hpp"
#include "broker/odoo/tools/html_text.hpp"
#include "broker/odoo/transport/json2.hpp"

namespace millrace::broker::odoo {
namespace {

using fuzz::check;

constexpr std::size_t rows = 7;

void check_fault(const Fault& fault) {
    check(fault.response.size() <= response_bytes_max, "an answer that is kept is bounded");
    check(!fault.error.empty() || fault.cause == Cause::mapping, "a fault says why");
}

void parse_load(std::string_view text) {
    const auto answer = parse_load_answer(text, rows);
    if (const auto* const refused = std::get_if<std::vector<RefusedRow>>(&answer)) {
        check(!refused->empty(), "a refusal names a row");
        for (const auto& one : *refused) {
            check(one.row < rows, "a refused row is one of the call");
            check_fault(one.fault);
        }
    } else if (const auto* const wrote = std::get_if<LoadWrote>(&answer)) {
        check(wrote->ids.size() == rows, "what was written is all of the call");
    }
}

void parse_ledger(std::string_view text) {
    const auto answer = parse_ledger_answer(text, rows);
    if (const auto* const outcomes = std::get_if<std::vector<LedgerOutcome>>(&answer)) {
        check(outcomes->size() == rows, "every event has its outcome");
    }
}

void parse_envelopes(std::string_view text) {
    const auto rpc = parse_rpc_answer(text, 1);
    if (const auto* const fault = std::get_if<Fault>(&rpc)) {
        check_fault(*fault);
    }
    for (const unsigned status : {200U, 303U, 401U, 422U, 500U}) {
        const auto reply = parse_json2_answer(status, text);
        check(status == 200 || std::holds_alternative<Fault>(reply), "another status is a fault");
    }
}

void read_html(std::string_view text) {
    const auto words = html_text(text);
    check(words.size() <= text.size(), "what is read is no longer than the html");
    check(words.find("  ") == std::string::npos, "one blank between words");
    check(!words.starts_with(' ') && !words.ends_with(' '), "no blanks around");
}

}  // namespace
}  // namespace millrace::broker::odoo

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto input = millrace::fuzz::bytes_of(data, size);
    const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
    millrace::broker::odoo::parse_load(text);
    millrace::broker::odoo::parse_ledger(text);
    millrace::broker::odoo::read_html(text);
    millrace::broker::odoo::parse_envelopes(text);
    return 0;
}
