#include "client/cli/app/window_reader.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "client/cli/app/progress.hpp"
#include "client/cli/app/record_printer.hpp"
#include "client/cli/app/stop_signal.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"
#include "client/expressions/record_document.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {
namespace {

/// How far append times have come in the window; below 0 where its bounds don't tell.
double share_of(const TimeWindow& window, std::int64_t time_us) {
    const std::int64_t to_us = std::min(window.to_us, unix_now_us());
    if (window.from_us == 0 || to_us <= window.from_us) {
        return -1;
    }
    const double share =
        static_cast<double>(time_us - window.from_us) / static_cast<double>(to_us - window.from_us);
    return std::clamp(share, 0.0, 1.0);
}

expressions::RecordFacts facts_of(const Record& record) {
    expressions::RecordFacts facts{.topic = record.topic,
                                   .partition_index = record.partition,
                                   .offset = record.offset,
                                   .append_time_us = record.append_time_us,
                                   .event_time_us = record.event_time_us,
                                   .key = {},
                                   .headers = {},
                                   .value = record.value};
    if (record.key) {
        facts.key = *record.key;
    }
    for (const auto& header : record.headers) {
        facts.headers.emplace_back(header.key, header.value);
    }
    return facts;
}

/// Which records of the window are printed.
class Filter {
  public:
    explicit Filter(const WindowOptions& options) : options_(options) {
        if (options.where.empty()) {
            return;
        }
        auto program = expressions::JqProgram::compile(options.where);
        if (!program) {
            throw UsageError("--where: " + program.error().text);
        }
        where_ = std::move(program).value();
    }

    [[nodiscard]] bool wants(const Record& record) {
        const auto has_header = [&record](const Header& header) {
            const HeaderView wanted{.key = header.key, .value = header.value};
            return std::ranges::find(record.headers, wanted) != record.headers.end();
        };
        if (record.partition != options_.partition.value_or(record.partition) ||
            (!options_.key.empty() && record.key != options_.key) ||
            !std::ranges::all_of(options_.headers, has_header)) {
            return false;
        }
        return !where_ || where_wants(record);
    }
    /// Says what the program failed on.
    void report(Session& session) const {
        if (failed_count_ > 0) {
            session.warn("--where failed on " + format_count(failed_count_) +
                         (failed_count_ == 1 ? " record" : " records") +
                         ", left out; the first: " + first_failure_);
        }
    }

  private:
    [[nodiscard]] bool where_wants(const Record& record) {
        const auto wanted = expressions::is_wanted(*where_, facts_of(record));
        if (wanted) {
            return wanted.value();
        }
        if (failed_count_++ == 0) {
            first_failure_ = std::string(record.topic) + "/" + std::to_string(record.partition) +
                             "@" + std::to_string(record.offset) + ": " + wanted.error().text;
        }
        return false;
    }

    const WindowOptions& options_;
    std::optional<expressions::JqProgram> where_;
    std::uint64_t failed_count_ = 0;
    std::string first_failure_;
};

/// When each record is due, as the speed has it.
class Pace {
  public:
    explicit Pace(const WindowOptions& options)
        : rate_(options.records_per_second), scale_(options.time_scale) {}

    [[nodiscard]] bool is_paced() const { return rate_ > 0 || scale_ > 0; }
    [[nodiscard]] std::chrono::steady_clock::time_point due(const Record& record) {
        if (count_++ == 0) {
            first_us_ = record.append_time_us;
        }
        const double seconds =
            rate_ > 0 ? static_cast<double>(count_ - 1) / rate_
                      : static_cast<double>(record.append_time_us - first_us_) / 1e6 / scale_;
        return begin_ + std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
    }

  private:
    double rate_;
    double scale_;
    std::uint64_t count_ = 0;
    std::int64_t first_us_ = 0;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace

ExitCode read_window(Session& session, const WindowOptions& options) {
    Filter filter(options);
    RecordPrinter printer(session, options.format);
    Replay replay = session.client().replay({.topics = options.topics,
                                             .from_us = options.window.from_us,
                                             .to_us = options.window.to_us});
    Progress progress(session, "replayed");
    Pace pace(options);
    const auto has_enough = [&] { return options.count && printer.count() >= *options.count; };
    const auto print_wanted = [&](const Record& record) {
        if (has_enough() || !filter.wants(record)) {
            return;
        }
        if (pace.is_paced()) {
            printer.flush();
            wait_until(pace.due(record));
        }
        if (!is_stop_requested()) {
            printer.print(record);
        }
    };
    while (!has_enough()) {
        if (is_stop_requested()) {
            return ExitCode::partly;
        }
        const std::vector<Record> records = replay.read();
        if (records.empty()) {
            break;
        }
        for (const Record& record : records) {
            print_wanted(record);
        }
        printer.flush();
        progress.update({.count = printer.count(),
                         .share = share_of(options.window, records.back().append_time_us)});
    }
    filter.report(session);
    session.note("replayed " + format_count(printer.count()) +
                 (printer.count() == 1 ? " record" : " records"));
    return ExitCode::ok;
}

}  // namespace millrace::cli
