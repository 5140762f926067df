#include "client/cli/app/progress.hpp"

#include <algorithm>
#include <ostream>

#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/time_text.hpp"

namespace millrace::cli {
namespace {

constexpr std::size_t bar_width = 20;
constexpr std::string_view clear_line = "\r\033[K";

std::string bar_of(double share) {
    const auto filled = static_cast<std::size_t>(share * static_cast<double>(bar_width));
    const std::string percent = std::to_string(static_cast<int>(share * 100));
    return "[" + std::string(filled, '#') + std::string(bar_width - filled, '-') + "] " +
           std::string(percent.size() < 3 ? 3 - percent.size() : 0, ' ') + percent + "%  ";
}

}  // namespace

std::string format_progress(const ProgressState& state) {
    const double seconds = static_cast<double>(state.elapsed.count()) / 1000;
    const double share = std::min(state.reached.share, 1.0);
    std::string out = share < 0 ? std::string() : bar_of(share);
    out += state.verb + " " + format_count(state.reached.count) + " records";
    if (state.reached.duplicate_count > 0) {
        out += " (" + format_count(state.reached.duplicate_count) + " known before)";
    }
    if (seconds > 0) {
        const double rate = static_cast<double>(state.reached.count) / seconds;
        out += ", " + format_count(static_cast<std::uint64_t>(rate)) + "/s";
    }
    if (share > 0 && share < 1) {
        const double left_us = seconds * (1 - share) / share * 1e6;
        out += ", " +
               format_duration(std::chrono::microseconds{static_cast<std::int64_t>(left_us)}) +
               " left";
    }
    return out;
}

Progress::Progress(Session& session, std::string verb)
    : session_(session),
      verb_(std::move(verb)),
      begin_(std::chrono::steady_clock::now()),
      printed_(begin_) {}

Progress::~Progress() {
    if (is_shown_) {
        session_.err() << clear_line << std::flush;
    }
}

void Progress::update(const Reached& reached) {
    constexpr std::chrono::milliseconds interval{200};
    const auto now = std::chrono::steady_clock::now();
    if (!session_.has_progress() || now - printed_ < interval) {
        return;
    }
    printed_ = now;
    is_shown_ = true;
    const ProgressState state{verb_, reached, elapsed()};
    session_.err() << clear_line << format_progress(state) << std::flush;
}

std::chrono::milliseconds Progress::elapsed() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 begin_);
}

}  // namespace millrace::cli
