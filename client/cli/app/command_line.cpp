#include "client/cli/app/command_line.hpp"

#include <algorithm>
#include <ostream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "client/cli/app/options.hpp"
#include "client/cli/app/unknown_word.hpp"
#include "client/cli/cluster/cluster_commands.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/jobs/job_commands.hpp"
#include "client/cli/odoo/odoo_commands.hpp"
#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

constexpr Names<OutputFormat, 2> output_names{
    {{"table", OutputFormat::table}, {"json", OutputFormat::json}}};

void add_globals(CLI::App& app, Globals& globals) {
    app.add_option("--brokers", globals.brokers, "Where the broker is; more after commas")
        ->envname("MILLRACE_BROKERS")
        ->type_name("HOST:PORT")
        ->capture_default_str();
    add_choice(app, "-o,--output", globals.output, choice(output_names, "For people or scripts"));
    app.add_option(
           "--timeout",
           globals.timeout,
           "How long to wait for an answer (30s), and in publish for a record to be durable "
           "(2m)")
        ->type_name("TIME");
    app.add_flag("-q,--quiet", globals.quiet, "No remarks and no progress on stderr");
    app.set_help_flag("-h,--help", "Show this help");
}

/// "millrace help topic create" is "millrace topic create --help".
void move_help_to_end(std::vector<std::string>& words) {
    if (!words.empty() && words.front() == "help") {
        words.erase(words.begin());
        words.emplace_back("--help");
    }
}

/// Of "Could not convert: --rate = -5" the option and what was given.
std::string text_of(const CLI::ParseError& error) {
    constexpr std::string_view begin = "Could not convert: ";
    std::string text = error.what();
    const auto equals = text.find(" = ");
    if (!text.starts_with(begin) || equals == std::string::npos) {
        return text;
    }
    return text.substr(begin.size(), equals - begin.size()) + ": \"" + text.substr(equals + 3) +
           "\" is no number that can stand here";
}

void print_error(std::ostream& err, const Globals& globals, const ClientError& error) {
    if (globals.output == OutputFormat::json) {
        using Json = nlohmann::ordered_json;
        const Json body{{"code", error.code()}, {"name", error.name()}, {"text", error.what()}};
        // The text may repeat a name from the command line, whatever its bytes are.
        err << Json{{"error", body}}.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
        return;
    }
    err << "millrace: " << error.what() << " (" << error.name() << ")\n";
    if (exit_code_of(error) == ExitCode::no_connection) {
        err << "Is millraced running at " << globals.brokers
            << "? --brokers or MILLRACE_BROKERS say where it is.\n";
    }
}

}  // namespace

CommandLine::CommandLine()
    : app_(std::make_unique<CLI::App>("Talks to a Millrace broker.", "millrace")) {
    app_->fallthrough();
    app_->require_subcommand(1);
    app_->footer(
        "Examples:\n"
        "  millrace topic create plant1.mes.workorder.finished --partitions 8\n"
        "  echo '{\"wo\":\"WO-1001\"}' | millrace publish plant1.mes.workorder.finished\n"
        "  millrace consume 'plant1.mes.>' --from @-1h\n"
        "\n"
        "millrace COMMAND --help says more. Exit codes: 0 ok, 1 refused by the broker, 2 usage,\n"
        "3 not found, 4 no connection, 5 may succeed later, 6 partly done.");
    add_globals(*app_, globals_);
    Registry registry{*app_, chosen_};
    add_topic_commands(registry);
    add_partition_commands(registry);
    add_publish_command(registry);
    add_consume_command(registry);
    add_replay_command(registry);
    add_group_commands(registry);
    add_subscription_commands(registry);
    add_letter_commands(registry);
    add_job_commands(registry);
    add_odoo_commands(registry);
    add_cluster_commands(registry);
    add_status_commands(registry);
    add_completion_command(registry);
}

CommandLine::~CommandLine() = default;

ParsedCommand CommandLine::parse(std::vector<std::string> words) {
    move_help_to_end(words);
    if (words.empty()) {
        return {.err = app_->help(), .code = ExitCode::usage};
    }
    try {
        std::vector<std::string> reversed(words.rbegin(), words.rend());
        app_->parse(reversed);
    } catch (const CLI::CallForHelp&) {
        return {.out = app_->help()};
    } catch (const CLI::ParseError& error) {
        const std::string unknown = explain_unknown_word(*app_, words);
        const std::string text = unknown.empty() ? text_of(error) : unknown;
        return {.err = "millrace: " + text + "\n", .code = ExitCode::usage};
    }
    return {.action = chosen_, .globals = globals_};
}

ExitCode run(const std::vector<std::string>& words, Session::Streams streams) {
    Globals globals;
    try {
        CommandLine line;
        ParsedCommand command = line.parse(words);
        streams.out << command.out;
        streams.err << command.err;
        globals = command.globals;
        Session session(globals, streams);
        const ExitCode code = command.action ? command.action(session) : command.code;
        session.flush_out();
        return code;
    } catch (const UsageError& error) {
        streams.err << "millrace: " << error.what() << '\n';
        return ExitCode::usage;
    } catch (const ClientError& error) {
        print_error(streams.err, globals, error);
        return exit_code_of(error);
    } catch (const std::exception& error) {
        streams.err << "millrace: " << error.what() << '\n';
        return ExitCode::refused;
    }
}

}  // namespace millrace::cli
