#include "client/src/core.hpp"

#include "client/wire/schema/subscriptions_generated.h"

namespace millrace::client {

void throw_error(const Error& error) {
    throw ClientError(
        static_cast<std::uint16_t>(error.code), std::string(name_of(error.code)), error.text);
}

std::exception_ptr to_exception(const Error& error) {
    return std::make_exception_ptr(ClientError(
        static_cast<std::uint16_t>(error.code), std::string(name_of(error.code)), error.text));
}

Error from_wire(const wire::ErrorT& error) {
    return fail(static_cast<Errc>(error.code), error.text);
}

Core::Core(ClientOptions options)
    : options_(std::move(options)),
      context_(1),
      work_(boost::asio::make_work_guard(context_)),
      connection_(context_, options_),
      thread_([this] { context_.run(); }) {
    connection_.on_push([this](const wire::FrameView& frame) {
        const auto table = wire::verify_table<wire::Deliveries>(frame.table);
        if (!table) {
            return;
        }
        if (const auto found = session_handlers_.find(table.value()->session_id());
            found != session_handlers_.end()) {
            found->second(frame);
        }
    });
}

// NOLINTNEXTLINE(bugprone-exception-escape): posting fails only for want of memory
Core::~Core() {
    post([this] { connection_.close(); });
    work_.reset();
    thread_.join();
}

std::shared_ptr<Core> Core::make(ClientOptions options) {
    return {new Core(std::move(options)), [](Core* core) {
                const auto drop = [core] { delete core; };  // NOLINT: owned by this deleter
                if (core->thread_.get_id() != std::this_thread::get_id()) {
                    drop();
                    return;
                }
                std::thread(drop).detach();
            }};
}

KeptAnswer Core::call_kept(const std::function<void(OnAnswer)>& start) {
    auto promise = std::make_shared<std::promise<Result<KeptAnswer>>>();
    auto future = promise->get_future();
    start([promise](const Result<const wire::FrameView*>& answer) {
        if (!answer) {
            promise->set_value(answer.error());
            return;
        }
        const auto& frame = *answer.value();
        promise->set_value(KeptAnswer{.table = {frame.table.begin(), frame.table.end()},
                                      .raw = {frame.raw.begin(), frame.raw.end()}});
    });
    auto result = future.get();
    if (!result) {
        throw_error(result.error());
    }
    return std::move(result).value();
}

wire::HelloAnswerT Core::hello() {
    wire::HelloRequestT request;
    request.protocol_version_min = wire::protocol_version;
    request.protocol_version_max = wire::protocol_version;
    request.client_name = options_.client_name;
    return call<wire::HelloAnswer>(wire::Api::hello, std::move(request));
}

TopicDescription from_wire(const wire::TopicT& topic) {
    TopicDescription made;
    made.name = topic.name;
    made.partition_count = topic.partition_count;
    made.retention_ms = topic.retention_ms;
    made.retention_bytes = topic.retention_bytes;
    made.criticality = static_cast<Criticality>(topic.criticality);
    made.lifecycle = static_cast<Lifecycle>(topic.lifecycle);
    made.owner = topic.owner;
    made.description = topic.description;
    made.record_bytes_max = topic.record_bytes_max;
    made.replaced_by = topic.replaced_by;
    made.created_us = topic.created_us;
    made.duplicate_window_ms = topic.duplicate_window_ms;
    made.clustered = topic.clustered;
    made.durability = static_cast<Durability>(topic.durability);
    for (const auto& partition : topic.partitions) {
        made.partitions.push_back({.index = partition->index,
                                   .partition_id = partition->partition_id,
                                   .shard = partition->shard,
                                   .first_offset = partition->first_offset,
                                   .next_offset = partition->next_offset,
                                   .live_bytes = partition->live_bytes,
                                   .group = partition->group});
    }
    return made;
}

bool Core::begin_publish(std::function<void()> again) {
    const auto limit = connection_.is_ready() ? connection_.hello().publishes_outstanding_max : 0U;
    if (limit != 0 && publishes_outstanding_ >= limit) {
        waiting_publishers_.push_back(std::move(again));
        return false;
    }
    ++publishes_outstanding_;
    return true;
}

void Core::end_publish() {
    --publishes_outstanding_;
    for (auto& again : std::exchange(waiting_publishers_, {})) {
        post(std::move(again));
    }
}

void Core::rest_or_pass_on(const ClientError& error,
                           std::chrono::steady_clock::time_point patience) const {
    const auto code = static_cast<Errc>(error.code());
    const bool is_for_now =
        code == Errc::connection_lost || (code == Errc::not_leader && !options_.any_node);
    if (!is_for_now || std::chrono::steady_clock::now() >= patience) {
        throw;
    }
    std::this_thread::sleep_for(options_.backoff_min);
}

std::vector<TopicDescription> Core::topics(const std::vector<std::string>& patterns,
                                           wire::MetadataRequestT request) {
    request.topics = patterns;
    const auto answer = call_again<wire::MetadataAnswer>(wire::Api::metadata, request);
    std::vector<TopicDescription> found;
    for (const auto& topic : answer.topics) {
        found.push_back(from_wire(*topic));
    }
    return found;
}

TopicDescription Core::describe(const std::string& topic) {
    auto found = topics({topic});
    if (found.size() != 1 || found.front().name != topic) {
        throw_error(fail(Errc::unknown_topic,
                         "topic \"" + topic +
                             "\" does not exist; create it with: millrace topic create " + topic));
    }
    return std::move(found.front());
}

}  // namespace millrace::client
