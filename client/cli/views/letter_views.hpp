#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client/cli/app/session.hpp"
#include "client/cli/text/enum_names.hpp"
#include "millrace/admin.hpp"

namespace millrace::cli {

enum class GroupBy { cause, error, key, topic, state };
inline constexpr Names<GroupBy, 5> group_by_names{{{"cause", GroupBy::cause},
                                                   {"error", GroupBy::error},
                                                   {"key", GroupBy::key},
                                                   {"topic", GroupBy::topic},
                                                   {"state", GroupBy::state}}};

/// How many letters share a property, the most frequent first.
class LetterGroups {
  public:
    struct Group {
        std::string name;
        std::uint64_t count = 0;
        std::int64_t first_failure_us = 0;
        std::int64_t last_failure_us = 0;
        std::uint64_t example_id = 0;
    };

    explicit LetterGroups(GroupBy by) : by_(by) {}
    void add(const Letter& letter);
    [[nodiscard]] std::vector<Group> sorted() const;
    void print(Session& session) const;

  private:
    GroupBy by_;
    std::map<std::string, Group> groups_;
};

void print_letters(Session& session, const std::vector<Letter>& letters);
void print_letter(Session& session, const Letter& letter);

}  // namespace millrace::cli
