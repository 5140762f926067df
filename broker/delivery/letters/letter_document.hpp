#pragma once

#include <string>
#include <vector>

#include "broker/delivery/letters/letters.hpp"
#include "client/expressions/jq_program.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::delivery {

/// The JSON that jq programs see of a letter: its facts, and the record as `key`, `headers` and
/// `value`; a value that is no JSON is a string. docs/delivery.md lists the members.
[[nodiscard]] std::string letter_document(const Letter& letter);

/// Accepts letters by everything a query names beside state and cause.
///
/// Threads:  one at a time.
class LetterFilter {
  public:
    /// Errors: invalid_argument for a program that jq does not accept.
    [[nodiscard]] static Result<LetterFilter> make(const LetterQuery& query);
    /// A program that fails on a letter does not want it.
    [[nodiscard]] bool wants(const Letter& letter) const;

  private:
    explicit LetterFilter(LetterQuery query) : query_(std::move(query)) {}
    LetterQuery query_;
    std::optional<expressions::JqProgram> where_;
};

/// The record of a letter with another value. Errors: record_too_large above
/// letter_record_bytes_max.
[[nodiscard]] Result<std::vector<std::byte>> replace_value(const Letter& letter,
                                                           std::string_view value);
/// What a program makes of the letter's document: its `value` and `headers` become the record's.
/// Errors: invalid_argument where the program fails, gives not one object, or changes the key, on
/// which the order rests; record_too_large above letter_record_bytes_max.
[[nodiscard]] Result<std::vector<std::byte>> transform_record(const expressions::JqProgram& program,
                                                              const Letter& letter);

}  // namespace millrace::broker::delivery
