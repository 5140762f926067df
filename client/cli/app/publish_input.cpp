#include "client/cli/app/publish_input.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "client/cli/app/stop_signal.hpp"
#include "client/cli/text/usage_error.hpp"
#include "storage/base/text/time_headers.hpp"

namespace millrace::cli {
namespace {

TopicRecord split_line(std::string line, const LineRules& rules) {
    TopicRecord out;
    if (rules.key_separator.empty()) {
        out.record.value = std::move(line);
        return out;
    }
    const auto at = line.find(rules.key_separator);
    if (at == std::string::npos) {
        throw UsageError("no \"" + rules.key_separator + "\" between key and value");
    }
    out.record.key = line.substr(0, at);
    out.record.value = line.substr(at + rules.key_separator.size());
    return out;
}

/// One that says no time would be counted by the broker and do nothing.
void require_time_header(const Header& header) {
    if (const auto fault = time_header_fault(header.key, header.value)) {
        throw UsageError(*fault);
    }
}

}  // namespace

TopicRecord parse_line(std::string line, const LineRules& rules) {
    if (line.ends_with('\r')) {
        line.pop_back();
    }
    TopicRecord out = rules.is_jsonl ? parse_json_line(line) : split_line(std::move(line), rules);
    OutgoingRecord& record = out.record;
    if (out.topic.empty()) {
        out.topic = rules.topic;
    }
    if (out.topic.empty()) {
        throw UsageError("no \"topic\", and none on the command line");
    }
    if (!rules.key_field.empty()) {
        record.key = find_field(record.value, rules.key_field);
        if (!record.key) {
            throw UsageError("the value has no field \"" + rules.key_field + "\" for the key");
        }
    } else if (!rules.key.empty() && !record.key) {
        record.key = rules.key;
    }
    if (!rules.event_id_field.empty()) {
        auto id = find_field(record.value, rules.event_id_field);
        if (!id || id->empty()) {
            throw UsageError("the value has no field \"" + rules.event_id_field +
                             "\" for the event id");
        }
        record.headers.push_back({"event-id", std::move(*id)});
    }
    for (const Header& header : record.headers) {
        require_time_header(header);
    }
    record.headers.insert(record.headers.end(), rules.headers.begin(), rules.headers.end());
    record.partition = rules.partition ? rules.partition : record.partition;
    return out;
}

Header parse_header_option(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
        throw UsageError("--header: \"" + text + "\" is not NAME=VALUE");
    }
    Header header{text.substr(0, equals), text.substr(equals + 1)};
    require_time_header(header);
    return header;
}

LineSource::LineSource(const std::string& file) : descriptor_(STDIN_FILENO) {
    if (file.empty() || file == "-") {
        return;
    }
    std::error_code error;
    if (std::filesystem::is_directory(file, error)) {
        throw UsageError("--file: " + file + " is a directory");
    }
    descriptor_ = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor_ < 0) {
        throw UsageError("--file: " + file +
                         " can't be read: " + std::generic_category().message(errno));
    }
    if (std::filesystem::is_regular_file(file, error)) {
        bytes_ = std::filesystem::file_size(file, error);
    }
}

LineSource::~LineSource() {
    if (descriptor_ > STDIN_FILENO) {
        ::close(descriptor_);
    }
}

/// Waits for more; the wait is short, so that a stop is seen.
bool LineSource::fill() {
    constexpr std::size_t chunk_bytes = 65'536;
    constexpr int wait_ms = 200;
    buffer_.erase(0, std::exchange(begin_, 0));
    while (!is_at_end_ && !is_stop_requested()) {
        pollfd wanted{.fd = descriptor_, .events = POLLIN, .revents = 0};
        if (::poll(&wanted, 1, wait_ms) <= 0) {
            continue;
        }
        const std::size_t held = buffer_.size();
        buffer_.resize(held + chunk_bytes);
        const ssize_t count = ::read(descriptor_, buffer_.data() + held, chunk_bytes);
        buffer_.resize(held + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
        if (count > 0) {
            return true;
        }
        if (count < 0 && errno != EINTR) {
            throw UsageError(std::string("the input can't be read: ") +
                             std::generic_category().message(errno));
        }
        is_at_end_ = count == 0;
    }
    return false;
}

bool LineSource::read(std::string& line) {
    std::size_t searched = begin_;
    std::size_t end = buffer_.find('\n', searched);
    while (end == std::string::npos) {
        searched = buffer_.size() - begin_;
        if (!fill()) {
            break;
        }
        end = buffer_.find('\n', searched);
    }
    if (end == std::string::npos && (is_stop_requested() || begin_ == buffer_.size())) {
        return false;  // half a line is no record when the reading was stopped
    }
    const std::size_t line_end = std::min(end, buffer_.size());
    line.assign(buffer_, begin_, line_end - begin_);
    begin_ = std::min(line_end + 1, buffer_.size());
    ++number_;
    bytes_read_ += line.size() + 1;
    return true;
}

double LineSource::share() const {
    return bytes_ == 0 ? -1 : static_cast<double>(bytes_read_) / static_cast<double>(bytes_);
}

}  // namespace millrace::cli
