#include "broker/gateways/http/admin/topic_routes.hpp"

#include <unordered_map>

#include "broker/catalog/catalog_service.hpp"
#include "broker/catalog/replay_topic.hpp"
#include "broker/gateways/http/admin/members.hpp"

namespace millrace::broker::http {
namespace {

using TopicPtr = std::shared_ptr<const TopicInfo>;
using BoundsOfPartition = std::unordered_map<PartitionId, storage::PartitionBounds>;

std::vector<Field> setting_fields() {
    return {{.name = "partition_count",
             .type = FieldType::integer,
             .help = "May only grow.",
             .max = UINT32_MAX},
            {.name = "retention_ms",
             .type = FieldType::integer,
             .help = "How long records stay; 0: for ever."},
            {.name = "retention_bytes",
             .type = FieldType::integer,
             .help = "Bytes kept of each partition; 0: no limit."},
            {.name = "criticality",
             .help = "What gives way to what when the disk does not keep up.",
             .one_of = words_of(criticality_names)},
            {.name = "lifecycle",
             .help = "Retired topics take nothing more.",
             .one_of = words_of(lifecycle_names)},
            {.name = "owner", .help = "Who answers for it."},
            {.name = "description", .help = "What its records say."},
            {.name = "record_bytes_max",
             .type = FieldType::integer,
             .help = "0: the broker's limit.",
             .max = UINT32_MAX},
            {.name = "replaced_by", .help = "Where to go when it is retired."},
            {.name = "duplicate_window_ms",
             .type = FieldType::integer,
             .help = "How long an event id is remembered; 0: never looked at."},
            {.name = "clustered",
             .type = FieldType::boolean,
             .help = "Old records of a partition are made to lie side by side."},
            {.name = "durability",
             .help = "What an ack stands for: records on the disks of a majority of the nodes, or "
                     "on that of the node that leads.",
             .one_of = words_of(durability_names)}};
}

std::vector<Field> create_fields() {
    auto fields = setting_fields();
    fields.insert(fields.begin(),
                  {.name = "name", .help = "Words with dots between.", .is_required = true});
    return fields;
}

Json topic_to_json(const TopicInfo& topic, const std::vector<BoundsOfPartition>& shards) {
    Json json{{"name", topic.name},
              {"partition_count", topic.partitions.size()},
              {"retention_ms", topic.retention_ms},
              {"retention_bytes", topic.retention_bytes},
              {"criticality", name_in(criticality_names, topic.criticality)},
              {"lifecycle", name_in(lifecycle_names, topic.lifecycle)},
              {"owner", topic.owner},
              {"description", topic.description},
              {"record_bytes_max", topic.record_bytes_max},
              {"duplicate_window_ms", topic.duplicate_window_ms},
              {"clustered", topic.clustered},
              {"durability", name_in(durability_names, topic.durability)},
              {"replaced_by", topic.replaced_by},
              {"created_us", topic.created_us},
              {"partitions", Json::array()}};
    for (std::size_t index = 0; index < topic.partitions.size(); ++index) {
        const auto& partition = topic.partitions[index];
        Json one{{"index", index},
                 {"partition_id", partition.id.value},
                 {"shard", partition.shard.value}};
        if (partition.shard.value < shards.size()) {
            const auto& known = shards[partition.shard.value];
            const auto found = known.find(partition.id);
            const auto bounds = found == known.end() ? storage::PartitionBounds{} : found->second;
            one["first_offset"] = bounds.first.value;
            one["next_offset"] = bounds.next.value;
            one["live_bytes"] = bounds.live_bytes;
        }
        json["partitions"].push_back(std::move(one));
    }
    return json;
}

void add_bounds(const TopicInfo& topic, const ShardLink& link, BoundsOfPartition& found) {
    for (const auto& partition : topic.partitions) {
        if (const auto bounds = link.shard->bounds(partition.id)) {
            found[partition.id] = *bounds;
        }
    }
}

/// The topics with what their partitions hold.
void answer_topics(const ShardGate& gate,
                   std::vector<TopicPtr> topics,
                   std::function<void(Result<Json>)> done) {
    auto wanted = std::make_shared<std::vector<TopicPtr>>(std::move(topics));
    const auto look = [wanted](const ShardLink& link) {
        BoundsOfPartition found;
        for (const auto& topic : *wanted) {
            add_bounds(*topic, link, found);
        }
        return found;
    };
    gate.gather<BoundsOfPartition>(
        look,
        [wanted, done = std::move(done)](const Result<std::vector<BoundsOfPartition>>& shards) {
            if (!shards) {
                done(shards.error());
                return;
            }
            Json list = Json::array();
            for (const auto& topic : *wanted) {
                list.push_back(topic_to_json(*topic, shards.value()));
            }
            done(std::move(list));
        });
}

void list_topics(const ShardGate& gate, const Call& call) {
    if (!gate.is_open()) {
        call.refuse(gate.closed());
        return;
    }
    std::vector<std::string> patterns;
    if (const auto pattern = call.target.param("pattern")) {
        patterns.emplace_back(*pattern);
    }
    answer_topics(gate, gate.catalog()->matching(patterns), [call](const Result<Json>& topics) {
        topics ? call.answer({{"topics", topics.value()}}) : call.refuse(topics.error());
    });
}

void show_topic(const ShardGate& gate, const Call& call) {
    if (!gate.is_open()) {
        call.refuse(gate.closed());
        return;
    }
    const auto& name = call.path_param("topic");
    const auto found = gate.catalog()->topics.find(name);
    if (found == gate.catalog()->topics.end()) {
        call.refuse(fail(Errc::unknown_topic, "topic \"" + name + "\" does not exist"));
        return;
    }
    answer_topics(gate, {found->second}, [call](const Result<Json>& topics) {
        topics ? call.answer(topics.value().front()) : call.refuse(topics.error());
    });
}

/// What a topic is made with and what an alteration gives have the same names.
template <class Settings>
void take_settings(const Json& body, Settings& settings) {
    take(body, "retention_ms", settings.retention_ms);
    take(body, "retention_bytes", settings.retention_bytes);
    take_named(body, "criticality", criticality_names, settings.criticality);
    take_named(body, "lifecycle", lifecycle_names, settings.lifecycle);
    take(body, "owner", settings.owner);
    take(body, "description", settings.description);
    take(body, "record_bytes_max", settings.record_bytes_max);
    take(body, "replaced_by", settings.replaced_by);
    take(body, "duplicate_window_ms", settings.duplicate_window_ms);
    take(body, "clustered", settings.clustered);
    take_named(body, "durability", durability_names, settings.durability);
}

TopicAlteration alteration_of(const std::string& name, const Json& body) {
    TopicAlteration change;
    change.name = name;
    take(body, "partition_count", change.partition_count);
    take_settings(body, change);
    return change;
}

TopicSpec spec_of(const Json& body) {
    TopicSpec spec;
    take(body, "name", spec.name);
    take(body, "partition_count", spec.partition_count);
    take_settings(body, spec.settings);
    return spec;
}

std::function<void(Result<TopicPtr>)> answer_topic(const Call& call, unsigned status) {
    return [call, status](const Result<TopicPtr>& topic) {
        topic ? call.answer(topic_to_json(*topic.value(), {}), status) : call.refuse(topic.error());
    };
}

void create_topic(const ShardGate& gate, const Call& call) {
    auto spec = spec_of(call.body);
    if (is_internal_topic(spec.name)) {
        call.refuse(fail(Errc::invalid_argument,
                         "names that begin with \"" + std::string(internal_topic_prefix) +
                             "\" are the broker's own"));
        return;
    }
    gate.ask<TopicPtr>(
        catalog_shard,
        [spec = std::move(spec)](const ShardLink& link, const auto& done) {
            link.shard->catalog().create_topic(spec, IfExists::fail, done);
        },
        answer_topic(call, status_created));
}

void alter_topic(const ShardGate& gate, const Call& call) {
    gate.ask<TopicPtr>(
        catalog_shard,
        [change = alteration_of(call.path_param("topic"), call.body)](const ShardLink& link,
                                                                      const auto& done) {
            link.shard->catalog().alter_topic(change, done);
        },
        answer_topic(call, 200));
}

void remove_topic(const ShardGate& gate, const Call& call) {
    gate.ask<void>(
        catalog_shard,
        [name = call.path_param("topic")](const ShardLink& link, const auto& done) {
            link.shard->catalog().delete_topic(name, done);
        },
        [call](const Result<void>& done) {
            done ? answer_done(call.respond) : call.refuse(done.error());
        });
}

}  // namespace

Routes topic_routes(const ShardGate& gate) {
    const auto at = [&gate](void (*handle)(const ShardGate&, const Call&)) {
        return [&gate, handle](const Call& call) { handle(gate, call); };
    };
    const BodyRule settings{.need = BodyNeed::required,
                            .content_types = {"application/json"},
                            .fields = setting_fields(),
                            .help = "What is not named stays."};
    return {{.pattern = "/v1/topics",
             .summary = "Topics with their partitions.",
             .handle = at(list_topics),
             .query = {{.name = "pattern", .help = "A name, or a pattern such as plant1.mes.>"}}},
            {.method = Method::post,
             .pattern = "/v1/topics",
             .summary = "Makes a topic.",
             .handle = at(create_topic),
             .body = {.need = BodyNeed::required,
                      .content_types = {"application/json"},
                      .fields = create_fields()},
             .success = status_created},
            {.pattern = "/v1/topics/{topic}", .summary = "One topic.", .handle = at(show_topic)},
            {.method = Method::patch,
             .pattern = "/v1/topics/{topic}",
             .summary = "Alters a topic.",
             .handle = at(alter_topic),
             .body = settings},
            {.method = Method::del,
             .pattern = "/v1/topics/{topic}",
             .summary = "Deletes a topic with its records.",
             .handle = at(remove_topic),
             .success = 204,
             .success_type = ""}};
}

}  // namespace millrace::broker::http
