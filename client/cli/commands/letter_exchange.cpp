#include <ostream>

#include <nlohmann/json.hpp>

#include "client/cli/app/publish_input.hpp"
#include "client/cli/commands/letter_commands.hpp"
#include "client/cli/text/json_line.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "client/cli/views/json_views.hpp"
#include "client/expressions/outside_json.hpp"

namespace millrace::cli {
namespace {

struct ImportOptions {
    std::string subscription;
    std::string file = "-";
    std::string by;
    bool redrive = false;
};

/// Letters with their records, one JSON text a line.
ExitCode export_letters(Session& session, const ListOptions& options) {
    const LetterQuery query = query_of(options);
    std::uint64_t count = 0;
    visit_letters(session, query, [&](const Letter& letter) {
        const Letter whole = session.admin().show_letter(query.subscription, letter.id);
        session.out() << to_json(whole).dump(
                             -1, ' ', false, nlohmann::json::error_handler_t::replace)
                      << '\n';
        return session.out().good() && ++count < options.limit;
    });
    session.flush_out();
    session.note("exported " + format_count(count) + (count == 1 ? " letter" : " letters"));
    return ExitCode::ok;
}

/// The id of an exported letter, and the record that its line holds now.
std::pair<std::uint64_t, OutgoingRecord> parse_export_line(const std::string& line) {
    const auto json = expressions::is_safe_to_parse(line)
                          ? nlohmann::json::parse(line, nullptr, false)
                          : nlohmann::json();
    if (!json.is_object() || !json.contains("id") || !json.at("id").is_number_unsigned()) {
        throw UsageError("a line of an export is a JSON object with an \"id\"; this is: " +
                         line.substr(0, 80));
    }
    const char* const member = json.contains("edited") ? "edited" : "record";
    if (!json.contains(member)) {
        throw UsageError("letter " + json.at("id").dump() + " has no \"record\"");
    }
    return {json.at("id").get<std::uint64_t>(), parse_json_line(json.at(member).dump()).record};
}

/// An export writes JSON in its own way: what differs only in spaces was not touched.
bool is_same_value(std::string_view one, std::string_view other) {
    return one == other ||
           (expressions::is_outside_json(one) && expressions::is_outside_json(other) &&
            nlohmann::json::parse(one) == nlohmann::json::parse(other));
}

/// Only the value of a record is mended: where the rest was touched as well, nothing is done.
bool is_mended_elsewhere(const Record& record, const OutgoingRecord& line) {
    const auto before = parse_json_line(format_json_line(record)).record;
    return before.key != line.key || before.headers != line.headers ||
           before.event_time_us != line.event_time_us;
}

/// Takes an export back whose records were mended in an editor; what is unchanged stays as it is.
ExitCode import_letters(Session& session, const ImportOptions& options) {
    LineSource lines(options.file);
    std::uint64_t changed = 0;
    std::uint64_t unchanged = 0;
    std::uint64_t missing = 0;
    std::uint64_t refused = 0;
    for (std::string line; lines.read(line);) {
        if (line.empty()) {
            continue;
        }
        const auto [id, record] = parse_export_line(line);
        LetterSelection selection;
        selection.query.subscription = options.subscription;
        selection.ids = {id};
        selection.by = options.by.empty() ? who() : options.by;
        const Letter letter = session.admin().show_letter(options.subscription, id);
        const auto& now = letter.edited ? letter.edited : letter.record;
        if (now && is_mended_elsewhere(*now, record)) {
            session.warn("letter " + std::to_string(id) +
                         " is left as it is: key, headers and event time are not mended by an "
                         "import; `dlq edit --transform` changes headers");
            ++refused;
            continue;
        }
        const bool is_same = now && is_same_value(now->value, record.value);
        LetterMend mend;
        if (!is_same) {
            mend.value = record.value;
        }
        if (is_same && !options.redrive) {
            ++unchanged;
            continue;
        }
        const auto count = options.redrive ? session.admin().redrive_letters(selection, mend)
                                           : session.admin().edit_letters(selection, mend);
        changed += count;
        missing += count == 0 ? 1 : 0;
    }
    session.note(std::string(options.redrive ? "redriven " : "edited ") + format_count(changed) +
                 ", unchanged " + format_count(unchanged));
    if (missing > 0) {
        session.warn(format_count(missing) + " of the ids name no open letter");
    }
    return missing + refused > 0 ? ExitCode::partly : ExitCode::ok;
}

}  // namespace

void add_letter_exchange(Registry& registry) {
    auto options = std::make_shared<ListOptions>();
    CLI::App& exporting =
        add_command(registry,
                    {"export",
                     "Print letters with their records as JSON lines",
                     "millrace dlq export odoo-mrp --cause mapping > letters.jsonl"},
                    options,
                    export_letters);
    add_filters(exporting, options->query, options->age);
    options->limit = std::numeric_limits<std::uint64_t>::max();
    exporting.add_option("--limit", options->limit, "At most so many");
    auto import = std::make_shared<ImportOptions>();
    CLI::App& importing = add_command(registry,
                                      {"import",
                                       "Take back an export whose records were mended",
                                       "millrace dlq import odoo-mrp letters.jsonl --redrive"},
                                      import,
                                      import_letters);
    importing.add_option("SUBSCRIPTION", import->subscription, "Whose")->required();
    importing.add_option("FILE", import->file, "JSON lines; - is stdin")->capture_default_str();
    importing.add_option("--by", import->by, "Who does it; without: $USER");
    importing.add_flag("--redrive", import->redrive, "Deliver them again at once");
}

}  // namespace millrace::cli
