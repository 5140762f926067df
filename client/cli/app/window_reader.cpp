#include "client/cli/app/window_reader.hpp"

#include <algorithm>
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

}  // namespace

ExitCode read_window(Session& session, const WindowOptions& options) {
    RecordPrinter printer(session, options.format);
    Replay replay = session.client().replay({.topics = options.topics,
                                             .from_us = options.window.from_us,
                                             .to_us = options.window.to_us});
    Progress progress(session, "replayed");
    const auto has_enough = [&] { return options.count && printer.count() >= *options.count; };
    while (!has_enough()) {
        if (is_stop_requested()) {
            return ExitCode::partly;
        }
        const std::vector<Record> records = replay.read();
        if (records.empty()) {
            break;
        }
        const auto is_wanted = [&](const Record& record) {
            return !has_enough() &&
                   record.partition == options.partition.value_or(record.partition);
        };
        for (const Record& record : records | std::views::filter(is_wanted)) {
            printer.print(record);
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
