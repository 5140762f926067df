#include "client/cli/app/publish_input.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "client/cli/text/usage_error.hpp"

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
    record.headers.insert(record.headers.end(), rules.headers.begin(), rules.headers.end());
    record.partition = rules.partition ? rules.partition : record.partition;
    return out;
}

Header parse_header_option(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
        throw UsageError("--header: \"" + text + "\" is not NAME=VALUE");
    }
    return {text.substr(0, equals), text.substr(equals + 1)};
}

LineSource::LineSource(const std::string& file) : in_(&std::cin) {
    if (file.empty() || file == "-") {
        return;
    }
    std::error_code error;
    if (std::filesystem::is_regular_file(file, error)) {
        bytes_ = std::filesystem::file_size(file, error);
    }
    file_.open(file, std::ios::binary);
    if (!file_ || std::filesystem::is_directory(file, error)) {
        throw UsageError("--file: " + file + " can't be read: " + std::strerror(errno));
    }
    in_ = &file_;
}

bool LineSource::read(std::string& line) {
    if (!std::getline(*in_, line)) {
        return false;
    }
    ++number_;
    bytes_read_ += line.size() + 1;
    return true;
}

double LineSource::share() const {
    return bytes_ == 0 ? -1 : static_cast<double>(bytes_read_) / static_cast<double>(bytes_);
}

}  // namespace millrace::cli
