#pragma once

#include <type_traits>

namespace millrace::wire {

// What client and broker say of letters and jobs has the same members in the schema and on either
// side of it. Each function copies those of one kind between any two structs that have them; an
// enumeration keeps its number, since the numbers are the schema's everywhere.

template <class From, class To>
void copy_enum(const From& from, To& to) {
    to = static_cast<To>(from);
}

/// Nothing stays nothing.
template <class From, class To>
void copy_optional_enum(const From& from, To& to) {
    if (from) {
        to = static_cast<std::remove_cvref_t<decltype(*to)>>(*from);
    }
}

/// Which letters are meant.
template <class From, class To>
void copy_letter_query(const From& from, To& to) {
    to.subscription = from.subscription;
    copy_optional_enum(from.cause, to.cause);
    if constexpr (requires { from.state, to.state; }) {
        copy_optional_enum(from.state, to.state);
    }
    to.key = from.key;
    to.error_contains = from.error_contains;
    to.correlation_id = from.correlation_id;
    to.where = from.where;
    to.since_us = from.since_us;
    to.before_us = from.before_us;
}

/// What is known of a letter, but for its place and its records.
template <class From, class To>
void copy_letter_facts(const From& from, To& to) {
    to.id = from.id;
    to.subscription = from.subscription;
    to.topic = from.topic;
    to.key = from.key;
    copy_enum(from.cause, to.cause);
    to.error = from.error;
    to.response = from.response;
    to.attempts = from.attempts;
    to.first_failure_us = from.first_failure_us;
    to.last_failure_us = from.last_failure_us;
    to.append_time_us = from.append_time_us;
    to.correlation_id = from.correlation_id;
    copy_enum(from.state, to.state);
    to.parked_behind = from.parked_behind;
}

template <class From, class To>
void copy_letter_action(const From& from, To& to) {
    to.time_us = from.time_us;
    to.action = from.action;
    to.by = from.by;
    to.text = from.text;
}

/// How letters are sent again, but for which.
template <class From, class To>
void copy_redrive(const From& from, To& to) {
    to.transform = from.transform;
    to.limit = from.limit;
    to.records_per_second = from.records_per_second;
    to.canary = from.canary;
    to.failure_share_max = from.failure_share_max;
}

/// What is replayed, but for headers and whether it is dry.
template <class From, class To>
void copy_replay(const From& from, To& to) {
    to.topics = from.topics;
    to.from_us = from.from_us;
    to.to_us = from.to_us;
    copy_enum(from.by, to.by);
    to.where = from.where;
    to.key = from.key;
    to.records_per_second = from.records_per_second;
    to.time_scale = from.time_scale;
    to.to_topic = from.to_topic;
    to.to_subscription = from.to_subscription;
}

/// How far a job is, but for what follows from that.
template <class From, class To>
void copy_job_progress(const From& from, To& to) {
    to.total = from.total;
    to.matched = from.matched;
    to.sent = from.sent;
    to.skipped = from.skipped;
    to.settled = from.settled;
    to.failed = from.failed;
    to.errors = from.errors;
    to.bytes = from.bytes;
    to.position_us = from.position_us;
    to.active_us = from.active_us;
    to.rate = from.rate;
    to.last_error = from.last_error;
}

/// What a job is and whose, but for its specification and progress.
template <class From, class To>
void copy_job(const From& from, To& to) {
    to.id = from.id;
    copy_enum(from.kind, to.kind);
    copy_enum(from.state, to.state);
    to.reason = from.reason;
    to.by = from.by;
    to.changed_by = from.changed_by;
    to.created_us = from.created_us;
    to.changed_us = from.changed_us;
}

}  // namespace millrace::wire
