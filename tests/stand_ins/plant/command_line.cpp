#include "tests/stand_ins/plant/command_line.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <optional>

#include <CLI/CLI.hpp>

#include "tests/stand_ins/plant/pacer.hpp"
#include "tests/stand_ins/plant/plant.hpp"
#include "tests/stand_ins/plant/production_log.hpp"

#include "client/cli/text/quantity_text.hpp"

namespace millrace::plant {
namespace {

constexpr int exit_done = 0;
constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

constexpr const char* footer =
    "Examples:\n"
    "  millrace-plant --seed 7 --events 2500 > events.jsonl\n"
    "  millrace-plant --seed 7 --events 0 --rate 200/s | millrace publish --jsonl\n"
    "  millrace-plant --only mes --products \"Cable Head,Ballnut\"\n"
    "  millrace-plant --log production-log.csv --speed 3600x | millrace publish --jsonl\n"
    "\n"
    "The same seed and products give the same events; --only leaves events out and keeps the ids\n"
    "of the others. A log is checked whole before its first event is written.\n"
    "Exit codes: 0 done, 1 a log with a bad row or no place to write, 2 usage.";

struct Options {
    PlantOptions plant;
    std::uint64_t events = 1000;
    std::string only;
    std::string log;
    std::string rate;
    std::string speed = "max";
};

/// CLI11 takes "-1" for the largest number there is.
std::string check_count(const std::string& text) {
    return cli::parse_count(text) ? std::string() : "\"" + text + "\" is no whole number";
}

std::string check_speed(const std::string& text) {
    return parse_speed(text) ? std::string() : "\"" + text + "\" is not original, max or e.g. 60x";
}

std::string check_rate(const std::string& text) {
    return cli::parse_rate(text) ? std::string() : "\"" + text + "\" is no rate such as 500/s";
}

void add_options(CLI::App& app, Options& options) {
    app.set_help_flag("-h,--help", "Show this help");
    auto* const log = app.add_option("--log", options.log, "Play this production log instead (CSV)")
                          ->type_name("FILE");
    app.add_option("--seed", options.plant.seed, "What the plant's chances come from")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Validator(check_count, "", "count"))
        ->excludes(log);
    app.add_option("--events", options.events, "How many; 0: until stopped")
        ->type_name("N")
        ->capture_default_str()
        ->check(CLI::Validator(check_count, "", "count"))
        ->excludes(log);
    app.add_option("--products", options.plant.products, "What the plant makes")
        ->type_name("A,B,..")
        ->delimiter(',')
        ->excludes(log);
    app.add_option("--only", options.only, "One family of events: mes, machine, wms or quality")
        ->type_name("FAMILY")
        ->check(CLI::IsMember(std::vector<std::string>{"mes", "machine", "wms", "quality"}))
        ->excludes(log);
    auto* const rate = app.add_option("--rate", options.rate, "Events a second; default: at once")
                           ->type_name("N/s")
                           ->check(CLI::Validator(check_rate, "", "rate"));
    app.add_option("--speed", options.speed, "Of the log: original, e.g. 60x, or max")
        ->type_name("SPEED")
        ->capture_default_str()
        ->check(CLI::Validator(check_speed, "", "speed"))
        ->needs(log)
        ->excludes(rate);
    app.footer(footer);
}

/// Writes lines when they are due.
class Printer {
  public:
    Printer(const Surroundings& around, Pacer pacer) : around_(around), pacer_(pacer) {}

    /// False when the output takes no more.
    [[nodiscard]] bool print(const Event& event) {
        const auto due = pacer_.due_of(event, around_.clock);
        if (due && *due > around_.clock.steady_now()) {
            around_.out.flush();
            around_.sleep_until(*due);
        }
        around_.out << format_event(event) << '\n';
        return around_.out.good();
    }

  private:
    const Surroundings& around_;
    Pacer pacer_;
};

int end_of(const Surroundings& around) {
    around.out.flush();
    if (!around.out.good()) {
        around.err << "millrace-plant: the output can't be written\n";
        return exit_failed;
    }
    return exit_done;
}

int play_log(const Options& options, const Surroundings& around, Printer printer) {
    std::ifstream file(options.log, std::ios::binary);
    if (!file) {
        around.err << "millrace-plant: " << options.log << " can't be opened\n";
        return exit_failed;
    }
    const auto events = read_production_log(file, options.log);
    if (events.has_error()) {
        around.err << "millrace-plant: " << events.error().text << '\n';
        return exit_failed;
    }
    for (const Event& event : events.value()) {
        if (!printer.print(event)) {
            break;
        }
    }
    return end_of(around);
}

int run_plant(const Options& options, const Surroundings& around, Printer printer) {
    Plant plant(options.plant);
    std::uint64_t printed = 0;
    while (options.events == 0 || printed < options.events) {
        const Event event = plant.next();
        if (!options.only.empty() && options.only != name_of(event.family())) {
            continue;
        }
        ++printed;
        if (!printer.print(event)) {
            break;
        }
    }
    return end_of(around);
}

}  // namespace

int run(std::vector<std::string> words, const Surroundings& around) {
    Options options;
    CLI::App app("Makes the events of a plant as JSON lines for millrace publish --jsonl.",
                 "millrace-plant");
    add_options(app, options);
    try {
        std::reverse(words.begin(), words.end());
        app.parse(std::move(words));
    } catch (const CLI::CallForHelp&) {
        around.out << app.help();
        return exit_done;
    } catch (const CLI::ParseError& error) {
        around.err << "millrace-plant: " << error.what()
                   << "\nmillrace-plant --help shows the options.\n";
        return exit_usage;
    }
    const Pacer pacer = options.rate.empty() ? Pacer::of_speed(*parse_speed(options.speed))
                                             : Pacer::of_rate(*cli::parse_rate(options.rate));
    Printer printer(around, pacer);
    return options.log.empty() ? run_plant(options, around, printer)
                               : play_log(options, around, printer);
}

}  // namespace millrace::plant
