#include "client/cli/views/letter_views.hpp"

#include <algorithm>
#include <ostream>
#include <sstream>

#include <nlohmann/json.hpp>

#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/views/json_views.hpp"
#include "storage/base/text/base64.hpp"

namespace millrace::cli {
namespace {

std::string title_of(LetterGroupBy by) {
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

/// What a machine sent must not steer the terminal of whoever looks at it.
void print_lines(std::ostream& out, const std::string& text) {
    std::istringstream lines(text.empty() ? "\n" : text);
    for (std::string line; std::getline(lines, line);) {
        out << without_controls(std::move(line)) << '\n';
    }
}

void print_record(std::ostream& out, const std::string& title, const Record& record) {
    out << '\n'
        << title << ", " << format_bytes(record.value.size()) << ", event time "
        << format_time(record.event_time_us) << ":\n";
    for (const auto& header : record.headers) {
        out << without_controls(std::string(header.key)) << ": "
            << (is_utf8(header.value) ? without_controls(std::string(header.value)) : "(no text)")
            << '\n';
    }
    if (is_utf8(record.value)) {
        print_lines(out, std::string(record.value));
    } else {
        out << "(no text; base64) " << format_base64(record.value) << '\n';
    }
}

nlohmann::ordered_json to_json(const LetterGroup& group, LetterGroupBy by) {
    nlohmann::ordered_json json{{name_of(group_by_names, by), group.name}};
    if (by == LetterGroupBy::error) {
        json["cause"] = name_of(cause_names, group.cause);
    }
    json["count"] = group.count;
    json["first_failure_us"] = group.first_failure_us;
    json["last_failure_us"] = group.last_failure_us;
    json["example_id"] = group.example_id;
    json["example"] = group.example;
    return json;
}

}  // namespace

void print_letter_groups(Session& session,
                         const std::vector<LetterGroup>& groups,
                         LetterGroupBy by) {
    const bool is_by_error = by == LetterGroupBy::error;
    if (session.is_json()) {
        auto list = nlohmann::ordered_json::array();
        for (const LetterGroup& group : groups) {
            list.push_back(to_json(group, by));
        }
        print_json(session, list);
        return;
    }
    std::vector<Column> columns{{"COUNT", Align::right}};
    if (is_by_error) {
        columns.push_back({"CAUSE"});
    }
    columns.push_back({title_of(by), Align::left, 60});
    for (Column column : std::vector<Column>{{"OLDEST"}, {"NEWEST"}, {"EXAMPLE", Align::right}}) {
        columns.push_back(std::move(column));
    }
    if (!is_by_error) {
        columns.push_back({"ITS ERROR", Align::left, 60});
    }
    Table table(columns);
    for (const LetterGroup& group : groups) {
        std::vector<std::string> cells{format_count(group.count)};
        if (is_by_error) {
            cells.push_back(name_of(cause_names, group.cause));
        }
        cells.insert(cells.end(),
                     {group.name,
                      format_time(group.first_failure_us),
                      format_time(group.last_failure_us),
                      std::to_string(group.example_id),
                      group.example});
        if (is_by_error) {
            cells.pop_back();
        }
        table.append(std::move(cells));
    }
    table.print(session.out());
}

void print_letter_trial(Session& session, const LetterTrial& trial) {
    std::uint64_t failed = 0;
    auto list = nlohmann::ordered_json::array();
    Table table({{"COUNT", Align::right},
                 {"TRANSFORM ERROR", Align::left, 60},
                 {"EXAMPLE", Align::right},
                 {"ITS ERROR", Align::left, 60}});
    for (const LetterGroup& group : trial.failures) {
        failed += group.count;
        list.push_back({{"error", group.name},
                        {"count", group.count},
                        {"example_id", group.example_id},
                        {"example", group.example}});
        table.append({format_count(group.count),
                      group.name,
                      std::to_string(group.example_id),
                      group.example});
    }
    if (session.is_json()) {
        print_json(session,
                   {{"mended", trial.mended}, {"failed", failed}, {"failures", std::move(list)}});
        return;
    }
    session.out() << "the transform mends " << format_count(trial.mended) << " of "
                  << format_count(trial.mended + failed)
                  << (failed == 0 ? "" : ", and fails on the others:") << '\n';
    if (failed > 0) {
        table.print(session.out());
    }
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
