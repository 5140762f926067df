#pragma once

#include <functional>
#include <memory>

#include "broker/delivery/letters/letter_document.hpp"
#include "broker/delivery/letters/letter_store.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker::delivery {

/// Whether a change may name so many letters by their ids. Errors: invalid_argument.
[[nodiscard]] Result<void> check_letter_ids(std::size_t count);

/// Changes every letter of a selection, page by page: a page is proposed when the one before is
/// durable, so that a million letters wait in the state and not in memory.
///
/// Promise:  `done` comes once, with the count that changed; a failure stops it where it is, and
/// what was changed stays. Threads:  the shard's.
class LetterSweep : public std::enable_shared_from_this<LetterSweep> {
  public:
    using Done = std::function<void(Result<std::uint64_t>)>;

    LetterSweep(Shard& shard,
                const LetterStore& letters,
                std::uint32_t subscription,
                LetterSelection selection,
                LetterEdit edit,
                Done done);
    /// Errors come through `done`: invalid_argument for a program that jq does not accept, for more
    /// than letter_action_bytes_max of words, and for more than letter_ids_max ids.
    void run();

  private:
    void next_page();
    [[nodiscard]] Result<LetterPage> load_page() const;
    [[nodiscard]] LetterPage load_named() const;
    [[nodiscard]] Result<void> propose(const Letter& letter);
    [[nodiscard]] Result<std::vector<std::byte>> edited(const Letter& letter) const;
    void end_one(const Result<void>& applied);
    void end(Result<std::uint64_t> outcome);

    Shard& shard_;
    const LetterStore& letters_;
    std::uint32_t subscription_;
    LetterSelection selection_;
    LetterEdit edit_;
    Done done_;
    std::optional<LetterFilter> filter_;
    std::optional<expressions::JqProgram> transform_;
    std::uint64_t after_id_ = 0;
    bool is_last_page_ = false;
    std::optional<Error> error_;
    std::uint64_t changed_ = 0;
    std::size_t outstanding_ = 0;
};

}  // namespace millrace::broker::delivery
