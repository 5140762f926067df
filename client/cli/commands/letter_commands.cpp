#include "client/cli/commands/letter_commands.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <ostream>
#include <sstream>

#include "client/cli/app/options.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/jobs/job_commands.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "client/cli/views/json_views.hpp"
#include "client/cli/views/letter_views.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {

void visit_letters(Session& session,
                   LetterQuery query,
                   const std::function<bool(const Letter&)>& visit) {
    constexpr std::uint32_t page_letters = 500;
    query.limit = page_letters;
    for (;;) {
        const std::vector<Letter> page = session.admin().list_letters(query);
        const bool has_all = std::ranges::all_of(page, [&](const Letter& letter) {
            query.after_id = std::max(query.after_id, letter.id);
            return visit(letter);
        });
        if (!has_all || page.size() < page_letters) {
            return;
        }
    }
}

void set_age(LetterQuery& query, const AgeOptions& age) {
    const std::int64_t now_us = unix_now_us();
    const auto time_of = [now_us](const std::string& text, const std::string& name) {
        const auto before = parse_duration(text);
        return before ? now_us - before->count() : require_time(text, now_us, name);
    };
    query.since_us = age.since.empty() ? 0 : time_of(age.since, "--since");
    query.before_us = age.older_than.empty() ? 0 : time_of(age.older_than, "--older-than");
}

LetterQuery query_of(const ListOptions& options) {
    LetterQuery query = options.query;
    if (options.state != "all") {
        query.state = find_named(letter_state_names, options.state);
    }
    set_age(query, options.age);
    return query;
}

std::string who() {
    const char* user = std::getenv("USER");  // NOLINT(concurrency-mt-unsafe): nobody sets it
    return user == nullptr ? "millrace-cli" : user;
}

void add_filters(CLI::App& app, LetterQuery& query, AgeOptions& age) {
    app.add_option("SUBSCRIPTION", query.subscription, "Whose")->required();
    add_choice(app, "--cause", query.cause, choice(cause_names, "Only with this cause"));
    app.add_option("--since", age.since, "Failed within the last 2h, or since a time")
        ->type_name("TIME");
    app.add_option("--older-than", age.older_than, "Failed last more than 2h ago, or before a time")
        ->type_name("TIME");
    app.add_option("-k,--key", query.key, "Only of this key");
    app.add_option("--error", query.error_contains, "Only where the error contains this text");
    app.add_option("--correlation-id", query.correlation_id, "Only of this chain of events");
    app.add_option("--where", query.where, "Only where this jq program says true")->type_name("JQ");
}

namespace {

struct ShowOptions {
    std::string subscription;
    std::uint64_t id = 0;
};
struct SettleOptions {
    LetterSelection selection;
    AgeOptions age;
    RedriveJob job;  ///< its pace and limits
    std::string rate;
    bool wait = false;
    LetterMend mend;
    std::string value_file;
    std::string reason;
    bool all = false;
    bool dry_run = false;
};
ExitCode list_letters(Session& session, const ListOptions& options) {
    const LetterQuery query = query_of(options);
    if (options.group_by) {
        print_letter_groups(
            session, session.admin().group_letters(query, *options.group_by), *options.group_by);
        return ExitCode::ok;
    }
    std::vector<Letter> letters;
    bool has_more = false;
    visit_letters(session, query, [&](const Letter& letter) {
        has_more = letters.size() == options.limit;
        if (!has_more) {
            letters.push_back(letter);
        }
        return !has_more;
    });
    print_letters(session, letters);
    if (has_more) {
        session.note("there are more than " + format_count(options.limit) + "; see --limit");
    }
    return ExitCode::ok;
}

ExitCode show_letter(Session& session, const ShowOptions& options) {
    print_letter(session, session.admin().show_letter(options.subscription, options.id));
    return ExitCode::ok;
}

bool has_filter(const LetterSelection& selection) {
    const LetterQuery& query = selection.query;
    return query.cause.has_value() || !query.key.empty() || !query.error_contains.empty() ||
           !query.correlation_id.empty() || !query.where.empty() || query.since_us != 0 ||
           query.before_us != 0;
}

LetterSelection selection_of(const SettleOptions& options) {
    LetterSelection selection = options.selection;
    set_age(selection.query, options.age);
    if (selection.ids.empty() && !has_filter(selection) && !options.all) {
        throw UsageError("which letters? Give their ids, a filter such as --cause, or --all");
    }
    if (!selection.ids.empty() && (has_filter(selection) || options.all)) {
        throw UsageError("ids stand alone: no filter and no --all beside them");
    }
    if (selection.by.empty()) {
        selection.by = who();
    }
    return selection;
}

/// What goes out instead of the record's value.
LetterMend mend_of(const SettleOptions& options) {
    LetterMend mend = options.mend;
    if (options.value_file.empty()) {
        return mend;
    }
    if (options.selection.ids.size() != 1) {
        throw UsageError("--value-file is for one letter: give its id");
    }
    std::ifstream file(options.value_file, std::ios::binary);
    std::ostringstream text;
    if (!file || !(text << file.rdbuf())) {
        throw UsageError("--value-file: cannot read " + options.value_file);
    }
    mend.value = text.str();
    return mend;
}

void show_selected(Session& session, const LetterSelection& selection) {
    if (!selection.ids.empty()) {
        std::vector<Letter> letters;
        for (const std::uint64_t id : selection.ids) {
            letters.push_back(session.admin().show_letter(selection.query.subscription, id));
        }
        print_letters(session, letters);
        return;
    }
    LetterQuery query = selection.query;
    query.state = LetterState::open;
    print_letter_groups(
        session, session.admin().group_letters(query, LetterGroupBy::error), LetterGroupBy::error);
}

/// The letters of a selection as a query.
LetterQuery query_of(const LetterSelection& selection) {
    LetterQuery query = selection.query;
    query.state = LetterState::open;
    const char* separator = "";
    for (const std::uint64_t id : selection.ids) {
        query.where += separator + (".id == " + std::to_string(id));
        separator = " or ";
    }
    return query;
}

/// What a redrive, edit or discard would touch, and what the transform would make of it.
ExitCode preview(Session& session,
                 const LetterSelection& selection,
                 const std::string& transform = {}) {
    const auto trial = [&] {
        return transform.empty()
                   ? std::nullopt
                   : std::optional(session.admin().try_transform(query_of(selection), transform));
    }();
    if (trial && session.is_json()) {
        print_letter_trial(session, *trial);
        return ExitCode::ok;
    }
    show_selected(session, selection);
    if (trial) {
        print_letter_trial(session, *trial);
    }
    return ExitCode::ok;
}

ExitCode report(Session& session,
                const LetterSelection& selection,
                const std::string& verb,
                std::uint64_t count) {
    if (session.is_json()) {
        print_json(session, {{verb, count}});
    }
    session.note(verb + " " + format_count(count) + (count == 1 ? " letter" : " letters"));
    if (count >= selection.ids.size()) {
        return ExitCode::ok;
    }
    session.warn(format_count(selection.ids.size() - count) + " of the ids name no open letter");
    return count == 0 ? ExitCode::not_found : ExitCode::partly;
}

/// What a query selects goes out as a job of the broker.
ExitCode start_redrive(Session& session,
                       const SettleOptions& options,
                       const LetterSelection& selection) {
    RedriveJob job = options.job;
    job.query = selection.query;
    job.limit = selection.limit;
    job.transform = mend_of(options).transform;
    job.records_per_second = options.rate.empty() ? 0 : require_rate(options.rate, "--rate");
    return announce_job(session,
                        session.client().jobs().redrive(job, selection.by),
                        options.wait ? JobWait::yes : JobWait::no);
}

ExitCode redrive(Session& session, const SettleOptions& options) {
    const LetterSelection selection = selection_of(options);
    if (options.dry_run) {
        return preview(session, selection, options.mend.transform);
    }
    if (selection.ids.empty()) {
        return start_redrive(session, options, selection);
    }
    if (!options.rate.empty() || options.job.canary > 0 || options.wait) {
        throw UsageError("letters by id go out at once: no --rate, --canary or --wait");
    }
    const auto count = session.admin().redrive_letters(selection, mend_of(options));
    return report(session, selection, "redriven", count);
}

ExitCode edit(Session& session, const SettleOptions& options) {
    const LetterSelection selection = selection_of(options);
    const LetterMend mend = mend_of(options);
    if (mend.transform.empty() && !mend.value) {
        throw UsageError("edit what? Give --transform or --value-file");
    }
    if (options.dry_run) {
        return preview(session, selection, options.mend.transform);
    }
    return report(session, selection, "edited", session.admin().edit_letters(selection, mend));
}

ExitCode discard(Session& session, const SettleOptions& options) {
    const LetterSelection selection = selection_of(options);
    if (options.dry_run) {
        return preview(session, selection);
    }
    return report(session,
                  selection,
                  "discarded",
                  session.admin().discard_letters(selection, options.reason));
}

void add_list(Registry& registry) {
    auto options = std::make_shared<ListOptions>();
    LetterQuery& query = options->query;
    CLI::App& app = add_command(registry,
                                {"ls",
                                 "List dead letters",
                                 "millrace dlq ls odoo-mrp\n"
                                 "millrace dlq ls odoo-mrp --cause mapping --since 2h --group-by "
                                 "error"},
                                options,
                                list_letters);
    app.alias("list");
    add_filters(app, query, options->age);
    app.add_option("--state", options->state, "In which state")
        ->check(CLI::IsMember({"open", "redriven", "resolved", "discarded", "all"}).description(""))
        ->type_name("open|redriven|resolved|discarded|all")
        ->capture_default_str();
    add_choice(app, "--group-by", options->group_by, choice(group_by_names, "Count them instead"));
    app.add_option("--limit", options->limit, "At most so many")
        ->check(positive_number())
        ->capture_default_str();
}

void add_pace(CLI::App& app, SettleOptions& options) {
    app.add_option("--rate", options.rate, "So many a second; without: as they are settled")
        ->type_name("N/s");
    app.add_option("--canary", options.job.canary, "So many first, which must settle before more")
        ->type_name("N");
    app.add_option("--stop-at-failure-share",
                   options.job.failure_share_max,
                   "Stop when more than this share of the settled failed again")
        ->check(CLI::Range(0.0, 1.0).description(""))
        ->type_name("0..1")
        ->capture_default_str();
    app.add_flag("--wait", options.wait, "Wait until it is over, with progress");
}

std::shared_ptr<SettleOptions> add_settle(Registry& registry,
                                          const CommandText& text,
                                          ExitCode (*run)(Session&, const SettleOptions&)) {
    auto options = std::make_shared<SettleOptions>();
    LetterSelection& selection = options->selection;
    CLI::App& app = add_command(registry, text, options, run);
    add_filters(app, selection.query, options->age);
    app.add_option("ID", selection.ids, "Which letters");
    app.add_flag("--all", options->all, "All open ones");
    app.add_option("--by", selection.by, "Who does it; without: $USER");
    app.add_flag("--dry-run", options->dry_run, "Only show what would be done");
    if (text.name == "discard") {
        app.add_option("--reason", options->reason, "Why; it stays with the letter")->required();
        return options;
    }
    app.add_option("--transform",
                   options->mend.transform,
                   "This jq program mends the record first; the original stays beside it")
        ->type_name("JQ");
    app.add_option("--value-file", options->value_file, "The content of this file is the new value")
        ->type_name("FILE");
    app.add_option("--limit",
                   selection.limit,
                   text.name == "redrive" ? "At most so many" : "At most so many of each shard");
    if (text.name == "redrive") {
        add_pace(app, *options);
    }
    return options;
}

}  // namespace

void add_letter_commands(Registry& registry) {
    CLI::App& family = add_family(registry.app, {"dlq", "Look at and settle dead letters", ""});
    Registry inner{family, registry.chosen};
    add_list(inner);
    auto options = std::make_shared<ShowOptions>();
    CLI::App& show = add_command(
        inner,
        {"show", "Show a letter with its record and history", "millrace dlq show odoo-mrp 1042"},
        options,
        show_letter);
    show.add_option("SUBSCRIPTION", options->subscription, "Whose")->required();
    show.add_option("ID", options->id, "Which letter")->required();
    add_settle(inner,
               {"redrive",
                "Deliver letters again",
                "millrace dlq redrive odoo-mrp 1042\n"
                "millrace dlq redrive odoo-mrp --cause mapping --dry-run\n"
                "millrace dlq redrive odoo-mrp --cause mapping --rate 50/s --canary 5\n"
                "millrace dlq redrive odoo-mrp --where '.value.product == \"CH-9\"' --transform "
                "'.value.product = \"CH-09\"'"},
               redrive);
    add_settle(inner,
               {"edit",
                "Mend records and leave the letters open",
                "millrace dlq edit odoo-mrp --where '.value.product == \"CH-9\"' --transform "
                "'.value.product = \"CH-09\"'\n"
                "millrace dlq edit odoo-mrp 1042 --value-file order.json"},
               edit);
    add_letter_exchange(inner);
    add_settle(inner,
               {"discard",
                "Give letters up; their keys go on",
                "millrace dlq discard odoo-mrp 1042 --reason 'test order'"},
               discard);
}

}  // namespace millrace::cli
