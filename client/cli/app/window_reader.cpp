#include "client/cli/app/window_reader.hpp"

#include <algorithm>
#include <chrono>
#include <ranges>

#include "client/cli/app/progress.hpp"
#include "client/cli/app/record_printer.hpp"
#include "client/cli/app/stop_signal.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/time_text.hpp"
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

bool is_wanted(const Record& record, const WindowOptions& options) {
    const auto has_header = [&record](const Header& header) {
        return std::ranges::find(record.headers, header) != record.headers.end();
    };
    return record.partition == options.partition.value_or(record.partition) &&
           (options.key.empty() || record.key == options.key) &&
           std::ranges::all_of(options.headers, has_header);
}

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
    RecordPrinter printer(session, options.format);
    Replay replay = session.client().replay({.topics = options.topics,
                                             .from_us = options.window.from_us,
                                             .to_us = options.window.to_us});
    Progress progress(session, "replayed");
    Pace pace(options);
    const auto has_enough = [&] { return options.count && printer.count() >= *options.count; };
    const auto print = [&](const Record& record) {
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
        const auto is_next = [&](const Record& record) {
            return !has_enough() && is_wanted(record, options);
        };
        for (const Record& record : records | std::views::filter(is_next)) {
            print(record);
        }
        printer.flush();
        progress.update({.count = printer.count(),
                         .share = share_of(options.window, records.back().append_time_us)});
    }
    session.note("replayed " + format_count(printer.count()) +
                 (printer.count() == 1 ? " record" : " records"));
    return ExitCode::ok;
}

}  // namespace millrace::cli
