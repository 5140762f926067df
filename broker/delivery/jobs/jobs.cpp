#include "broker/delivery/jobs/jobs.hpp"

#include <array>
#include <concepts>
#include <type_traits>

#include <nlohmann/json.hpp>

namespace millrace::broker::delivery {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::string_view, 2> kind_names{"replay", "redrive"};
constexpr std::array<std::string_view, 5> state_names{
    "running", "paused", "done", "failed", "cancelled"};

// The last enumerator of each enumeration that travels.
constexpr auto last_of(JobKind) {
    return JobKind::redrive;
}
constexpr auto last_of(JobState) {
    return JobState::cancelled;
}
constexpr auto last_of(ReplayBy) {
    return ReplayBy::event;
}
constexpr auto last_of(Cause) {
    return last_cause;
}
constexpr auto last_of(LetterState) {
    return LetterState::discarded;
}

[[noreturn]] void refuse(const Json& json, const std::string& text) {
    throw Json::other_error::create(501, text, &json);
}

// Fields by name, in both directions: `visit_fields` lists them once. What is missing keeps its
// default, so that tomorrow's program reads today's jobs.

template <class Visitor>
void visit_fields(Visitor& visit, ReplaySpec& spec) {
    visit("topics", spec.topics);
    visit("from_us", spec.from_us);
    visit("to_us", spec.to_us);
    visit("by", spec.by);
    visit("where", spec.where);
    visit("key", spec.key);
    visit("headers", spec.headers);
    visit("records_per_second", spec.records_per_second);
    visit("time_scale", spec.time_scale);
    visit("to_topic", spec.to_topic);
    visit("to_subscription", spec.to_subscription);
    visit("is_dry_run", spec.is_dry_run);
}

template <class Visitor>
void visit_fields(Visitor& visit, LetterQuery& query) {
    visit("subscription", query.subscription);
    visit("cause", query.cause);
    visit("key", query.key);
    visit("error_contains", query.error_contains);
    visit("correlation_id", query.correlation_id);
    visit("where", query.where);
    visit("since_us", query.since_us);
    visit("before_us", query.before_us);
}

template <class Visitor>
void visit_fields(Visitor& visit, RedriveSpec& spec) {
    visit("query", spec.query);
    visit("transform", spec.transform);
    visit("limit", spec.limit);
    visit("records_per_second", spec.records_per_second);
    visit("canary", spec.canary);
    visit("failure_share_max", spec.failure_share_max);
}

template <class Visitor>
void visit_fields(Visitor& visit, ReplayCursor& cursor) {
    visit("segment", cursor.segment);
    visit("position", cursor.position);
    visit("has_last", cursor.has_last);
    visit("last_partition", cursor.last_partition);
    visit("last_offset", cursor.last_offset);
    visit("is_done", cursor.is_done);
}

template <class Visitor>
void visit_fields(Visitor& visit, JobProgress& progress) {
    visit("total", progress.total);
    visit("matched", progress.matched);
    visit("sent", progress.sent);
    visit("skipped", progress.skipped);
    visit("settled", progress.settled);
    visit("failed", progress.failed);
    visit("errors", progress.errors);
    visit("bytes", progress.bytes);
    visit("first_us", progress.first_us);
    visit("position_us", progress.position_us);
    visit("active_us", progress.active_us);
    visit("rate", progress.rate);
    visit("last_error", progress.last_error);
    visit("cursors", progress.cursors);
}

template <class Visitor>
void visit_fields(Visitor& visit, Job& job) {
    visit("id", job.id);
    visit("kind", job.kind);
    visit("state", job.state);
    visit("reason", job.reason);
    visit("by", job.by);
    visit("changed_by", job.changed_by);
    visit("created_us", job.created_us);
    visit("changed_us", job.changed_us);
    visit("replay", job.replay);
    visit("redrive", job.redrive);
    visit("progress", job.progress);
}

template <class Visitor>
void visit_fields(Visitor& visit, JobChange& change) {
    visit("state", change.state);
    visit("reason", change.reason);
    visit("by", change.by);
    visit("time_us", change.time_us);
}

template <class Visitor>
void visit_fields(Visitor& visit, JobCommand& command) {
    visit("id", command.id);
    visit("created", command.created);
    visit("progress", command.progress);
    visit("change", command.change);
}

class Writer {
  public:
    template <class T>
    void operator()(const char* name, const T& value) {
        auto json = json_of(value);
        if (!json.is_null()) {
            made_[name] = std::move(json);
        }
    }
    [[nodiscard]] Json take() { return std::move(made_); }

  private:
    template <class T>
    static Json json_of(const T& value) {
        if constexpr (std::is_enum_v<T>) {
            return static_cast<unsigned>(value);
        } else if constexpr (std::is_arithmetic_v<T>) {
            return value;
        } else {
            Writer inner;
            auto copy = value;
            visit_fields(inner, copy);
            return inner.take();
        }
    }
    static Json json_of(const std::string& text) { return text; }
    template <class T>
    static Json json_of(const std::optional<T>& value) {
        return value ? json_of(*value) : Json();
    }
    template <class T>
    static Json json_of(const std::vector<T>& values) {
        auto list = Json::array();
        for (const auto& value : values) {
            list.push_back(json_of(value));
        }
        return list;
    }
    static Json json_of(const std::pair<std::string, std::string>& pair) {
        return Json::array({pair.first, pair.second});
    }

    Json made_ = Json::object();
};

class Reader {
  public:
    explicit Reader(const Json& json) : json_(json) {
        if (!json.is_object()) {
            refuse(json, "not an object");
        }
    }
    template <class T>
    void operator()(const char* name, T& value) {
        if (const auto found = json_.find(name); found != json_.end()) {
            read(*found, value);
        }
    }

  private:
    template <class T>
    static void read(const Json& json, T& value) {
        if constexpr (std::is_enum_v<T>) {
            std::uint8_t number = 0;
            read(json, number);
            if (number > static_cast<std::uint8_t>(last_of(T{}))) {
                refuse(json, "a number without a meaning");
            }
            value = static_cast<T>(number);
        } else if constexpr (std::integral<T> && !std::same_as<T, bool>) {
            const bool fits =
                json.is_number_unsigned()
                    ? std::in_range<T>(json.get<std::uint64_t>())
                    : json.is_number_integer() && std::in_range<T>(json.get<std::int64_t>());
            if (!fits) {
                refuse(json, "not an integer in its range");
            }
            json.get_to(value);
        } else if constexpr (std::same_as<T, bool> || std::same_as<T, std::string> ||
                             std::same_as<T, double>) {
            json.get_to(value);
        } else {
            Reader inner(json);
            visit_fields(inner, value);
        }
    }
    template <class T>
    static void read(const Json& json, std::optional<T>& value) {
        read(json, value.emplace());
    }
    template <class T>
    static void read(const Json& json, std::vector<T>& values) {
        if (!json.is_array()) {
            refuse(json, "not a list");
        }
        for (const auto& one : json) {
            read(one, values.emplace_back());
        }
    }
    static void read(const Json& json, std::pair<std::string, std::string>& pair) {
        json.at(0).get_to(pair.first);
        json.at(1).get_to(pair.second);
    }

    const Json& json_;
};

}  // namespace

std::string_view name_of(JobKind kind) noexcept {
    return kind_names[static_cast<std::size_t>(kind)];
}

std::string_view name_of(JobState state) noexcept {
    return state_names[static_cast<std::size_t>(state)];
}

Json to_json(const JobCommand& command) {
    Writer writer;
    auto copy = command;
    visit_fields(writer, copy);
    return writer.take();
}

JobCommand job_command_from(const Json& json) {
    JobCommand command;
    Reader reader(json);
    visit_fields(reader, command);
    return command;
}

bool may_change(JobState from, JobState to) noexcept {
    switch (to) {
        case JobState::running:
            return from == JobState::paused;
        case JobState::cancelled:
            return is_open(from);
        case JobState::paused:
        case JobState::done:
        case JobState::failed:
            break;
    }
    return from == JobState::running;
}

}  // namespace millrace::broker::delivery
