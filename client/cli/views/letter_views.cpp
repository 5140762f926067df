#include "client/cli/views/letter_views.hpp"

#include <algorithm>
#include <ostream>

#include <nlohmann/json.hpp>

#include "client/cli/text/base64.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {
namespace {

std::string property_of(const Letter& letter, GroupBy by) {
    switch (by) {
        case GroupBy::cause:
            return name_of(cause_names, letter.cause);
        case GroupBy::error:
            return letter.error;
        case GroupBy::key:
            return letter.key;
        case GroupBy::topic:
            return letter.topic;
        case GroupBy::state:
            return name_of(letter_state_names, letter.state);
    }
    return {};
}

std::string title_of(GroupBy by) {
    std::string title = name_of(group_by_names, by);
    std::transform(title.begin(), title.end(), title.begin(), [](char c) {
        return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    });
    return title;
}

std::string place_of(const Letter& letter) {
    return letter.topic + "/" + std::to_string(letter.partition) + "@" +
           std::to_string(letter.offset);
}

void print_actions(std::ostream& out, const std::vector<LetterAction>& actions) {
    if (actions.empty()) {
        return;
    }
    out << "\n";
    Table table({{"TIME"}, {"ACTION"}, {"BY"}, {"TEXT"}});
    for (const LetterAction& action : actions) {
        table.append({format_time(action.time_us), action.action, action.by, action.text});
    }
    table.print(out);
}

void print_record(std::ostream& out, const std::string& title, const Record& record) {
    out << '\n'
        << title << ", " << format_bytes(record.value.size()) << ", event time "
        << format_time(record.event_time_us) << ":\n";
    for (const Header& header : record.headers) {
        out << header.key << ": " << (is_utf8(header.value) ? header.value : "(no text)") << '\n';
    }
    if (is_utf8(record.value)) {
        out << record.value << '\n';
    } else {
        out << "(no text; base64) " << format_base64(record.value) << '\n';
    }
}

}  // namespace

void LetterGroups::add(const Letter& letter) {
    const std::string name = property_of(letter, by_);
    Group& group = groups_[name];
    if (group.count == 0) {
        group = {name, 0, letter.first_failure_us, letter.last_failure_us, letter.id};
    }
    ++group.count;
    group.first_failure_us = std::min(group.first_failure_us, letter.first_failure_us);
    group.last_failure_us = std::max(group.last_failure_us, letter.last_failure_us);
}

std::vector<LetterGroups::Group> LetterGroups::sorted() const {
    std::vector<Group> out;
    for (const auto& [name, group] : groups_) {
        out.push_back(group);
    }
    std::stable_sort(out.begin(), out.end(), [](const Group& left, const Group& right) {
        return left.count > right.count;
    });
    return out;
}

void LetterGroups::print(Session& session) const {
    if (session.is_json()) {
        auto list = nlohmann::ordered_json::array();
        for (const Group& group : sorted()) {
            list.push_back({{name_of(group_by_names, by_), group.name},
                            {"count", group.count},
                            {"first_failure_us", group.first_failure_us},
                            {"last_failure_us", group.last_failure_us},
                            {"example_id", group.example_id}});
        }
        print_json(session, list);
        return;
    }
    Table table({{"COUNT", Align::right},
                 {title_of(by_), Align::left, 80},
                 {"FIRST"},
                 {"LAST"},
                 {"EXAMPLE", Align::right}});
    for (const Group& group : sorted()) {
        table.append({format_count(group.count),
                      group.name,
                      format_time(group.first_failure_us),
                      format_time(group.last_failure_us),
                      std::to_string(group.example_id)});
    }
    table.print(session.out());
}

void print_letters(Session& session, const std::vector<Letter>& letters) {
    if (session.is_json()) {
        print_json_list(session, letters);
        return;
    }
    Table table({{"ID", Align::right},
                 {"STATE"},
                 {"CAUSE"},
                 {"KEY", Align::left, 24},
                 {"RECORD"},
                 {"ATTEMPTS", Align::right},
                 {"LAST FAILURE"},
                 {"BEHIND", Align::right},
                 {"ERROR", Align::left, 60}});
    for (const Letter& letter : letters) {
        table.append({std::to_string(letter.id),
                      name_of(letter_state_names, letter.state),
                      name_of(cause_names, letter.cause),
                      letter.key,
                      place_of(letter),
                      std::to_string(letter.attempts),
                      format_time(letter.last_failure_us),
                      format_count(letter.parked_behind),
                      letter.error});
    }
    table.print(session.out());
}

void print_letter(Session& session, const Letter& letter) {
    if (session.is_json()) {
        print_json(session, to_json(letter));
        return;
    }
    Facts facts;
    facts.append("letter", std::to_string(letter.id) + " of " + letter.subscription);
    facts.append("state", name_of(letter_state_names, letter.state));
    facts.append("cause", name_of(cause_names, letter.cause));
    facts.append("error", letter.error);
    facts.append("response", letter.response.empty() ? "-" : letter.response);
    facts.append("record", place_of(letter));
    facts.append("key", letter.key.empty() ? "-" : letter.key);
    facts.append("correlation id", letter.correlation_id.empty() ? "-" : letter.correlation_id);
    facts.append("appended", format_time(letter.append_time_us));
    facts.append("attempts", std::to_string(letter.attempts));
    facts.append("first failure", format_time(letter.first_failure_us));
    facts.append("last failure", format_time(letter.last_failure_us));
    facts.append("parked behind it", format_count(letter.parked_behind));
    facts.print(session.out());
    print_actions(session.out(), letter.actions);
    if (letter.record) {
        print_record(session.out(), "record", *letter.record);
    }
    if (letter.edited) {
        print_record(session.out(), "edited, goes out instead", *letter.edited);
    }
}

}  // namespace millrace::cli
