#include "millrace/admin.hpp"

#include "client/src/admin_impl.hpp"

namespace millrace {
namespace {

using wire::Api;

std::unique_ptr<wire::TopicT> to_wire(const TopicDescription& topic) {
    auto made = std::make_unique<wire::TopicT>();
    made->name = topic.name;
    made->partition_count = topic.partition_count;
    made->retention_ms = topic.retention_ms;
    made->retention_bytes = topic.retention_bytes;
    made->criticality = static_cast<wire::Criticality>(topic.criticality);
    made->lifecycle = static_cast<wire::Lifecycle>(topic.lifecycle);
    made->owner = topic.owner;
    made->description = topic.description;
    made->record_bytes_max = topic.record_bytes_max;
    made->replaced_by = topic.replaced_by;
    made->duplicate_window_ms = topic.duplicate_window_ms;
    made->clustered = topic.clustered;
    made->durability = static_cast<wire::Durability>(topic.durability);
    return made;
}

template <class Wire, class Value>
flatbuffers::Optional<Wire> optional_of(const std::optional<Value>& value) {
    return value ? flatbuffers::Optional<Wire>(static_cast<Wire>(*value)) : flatbuffers::nullopt;
}

}  // namespace

Admin::Admin(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

client::PartitionNames Admin::Impl::partition_names() const {
    return client::names_of(core->topics({}));
}

NodeStatus Admin::status() {
    const auto answer =
        impl_->core->call_again<wire::StatusAnswer>(Api::status, wire::StatusRequestT{});
    NodeStatus status{.version = answer.version,
                      .cluster_id = answer.cluster_id,
                      .node_id = answer.node_id,
                      .uptime_ms = answer.uptime_ms,
                      .resident_bytes = answer.resident_bytes,
                      .topics = answer.topics,
                      .partitions = answer.partitions,
                      .subscriptions = answer.subscriptions,
                      .shards = {}};
    for (const auto& shard : answer.shards) {
        status.shards.push_back({.shard = shard->shard,
                                 .partitions = shard->partitions,
                                 .connections = shard->connections,
                                 .log_bytes = shard->log_bytes,
                                 .live_bytes = shard->live_bytes,
                                 .segments = shard->segments,
                                 .segments_free = shard->segments_free,
                                 .commits = shard->commits,
                                 .records_in = shard->records_in,
                                 .records_out = shard->records_out,
                                 .disk_free_bytes = shard->disk_free_bytes,
                                 .torn_tails_cut = shard->torn_tails_cut,
                                 .frames_quarantined = shard->frames_quarantined,
                                 .out_of_space = shard->out_of_space,
                                 .failed = shard->failed,
                                 .failure = shard->failure});
    }
    return status;
}

TopicDescription Admin::create_topic(const TopicDescription& topic) {
    wire::TopicCreateRequestT request;
    request.topic = to_wire(topic);
    const auto answer = impl_->core->call<wire::TopicAnswer>(Api::topic_create, std::move(request));
    return client::from_wire(client::require(answer.topic, "topic"));
}

TopicDescription Admin::ensure_topic(const TopicDescription& topic) {
    wire::TopicCreateRequestT request;
    request.topic = to_wire(topic);
    request.if_exists_ok = true;
    const auto answer = impl_->core->call_again<wire::TopicAnswer>(Api::topic_create, request);
    return client::from_wire(client::require(answer.topic, "topic"));
}

TopicDescription Admin::alter_topic(const std::string& name, const TopicChange& change) {
    // The object API can't leave a text out, so what is not to change is asked for first.
    const auto now = impl_->core->describe(name);
    wire::TopicAlterRequestT request;
    request.name = name;
    request.partition_count = optional_of<std::uint32_t>(change.partition_count);
    request.retention_ms = optional_of<std::uint64_t>(change.retention_ms);
    request.retention_bytes = optional_of<std::uint64_t>(change.retention_bytes);
    request.criticality = optional_of<wire::Criticality>(change.criticality);
    request.lifecycle = optional_of<wire::Lifecycle>(change.lifecycle);
    request.owner = change.owner.value_or(now.owner);
    request.description = change.description.value_or(now.description);
    request.record_bytes_max = optional_of<std::uint32_t>(change.record_bytes_max);
    request.replaced_by = change.replaced_by.value_or(now.replaced_by);
    request.duplicate_window_ms = optional_of<std::uint64_t>(change.duplicate_window_ms);
    request.clustered = optional_of<bool>(change.clustered);
    request.durability = optional_of<wire::Durability>(change.durability);
    const auto answer = impl_->core->call_again<wire::TopicAnswer>(Api::topic_alter, request);
    return client::from_wire(client::require(answer.topic, "topic"));
}

void Admin::delete_topic(const std::string& name) {
    wire::TopicDeleteRequestT request;
    request.name = name;
    (void)impl_->core->call<wire::Done>(Api::topic_delete, std::move(request));
}

std::vector<TopicDescription> Admin::list_topics(const std::vector<std::string>& patterns) {
    return impl_->core->topics(patterns);
}

TopicDescription Admin::describe_topic(const std::string& name) {
    (void)impl_->core->describe(name);  // says so when it does not exist
    return describe_topics({name}).front();
}

std::vector<TopicDescription> Admin::describe_topics(const std::vector<std::string>& patterns) {
    wire::MetadataRequestT request;
    request.with_offsets = true;
    return impl_->core->topics(patterns, std::move(request));
}

}  // namespace millrace
