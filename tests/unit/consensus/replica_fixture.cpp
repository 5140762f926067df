#include "tests/unit/consensus/replica_fixture.hpp"

#include <algorithm>

#include "storage/base/batch_header.hpp"
#include "storage/index/key_value.hpp"
#include "storage/log/segment_files.hpp"

namespace millrace::broker::consensus {
namespace {

constexpr std::uint16_t some_type = 9;
constexpr Duration step{10'000};
constexpr Duration tick_interval{100'000};

}  // namespace

GroupReplica::GroupReplica(NodeId number,
                           std::vector<Voter> voters,
                           Send send,
                           ManualClock& clock,
                           std::size_t trailing_bytes_max)
    : node(number),
      disk(number.value),
      options{.group = GroupId{1},
              .self = number,
              .voters = std::move(voters),
              .links = this,
              .random_seed = number.value,
              .tick = Duration{50'000},
              .trailing_bytes_max = trailing_bytes_max,
              .on_failure = [this](const Error& error) { failures.push_back(error); },
              .on_caught_up = [this](std::size_t bytes) { caught_up_bytes += bytes; },
              .on_behind = [this](NodeId leader) { behind.push_back(leader); }},
      send_(std::move(send)),
      clock_(clock) {
    open();
}

GroupReplica::~GroupReplica() {
    close();
}

void GroupReplica::open() {
    applied.clear();
    places.clear();
    durable_ = {};
    runtime = std::make_unique<ManualRuntime>(clock_, disk);
    group = std::make_unique<Group>(options, *runtime, store_pointer, *this);
    storage::StoreOptions disk_options;
    disk_options.directory = "/data/shard-00";
    disk_options.segment_bytes = 256_KiB;
    disk_options.commit_bytes_max = 64_KiB;
    disk_options.disk_reserve_bytes = 0;
    disk_options.background_inline = true;
    disk_options.index_in_memory = true;
    disk_options.index_memory = index;
    disk_options.is_replicated = true;
    auto opened = storage::ShardStore::open(disk, clock_, metrics_, disk_options, *this);
    ASSERT_TRUE(opened) << opened.error().text;
    store = std::move(opened).value();
    store_pointer = store.get();
    auto started = group->load();
    if (started) {
        started = group->start();
    }
    start_error = started ? Error{} : started.error();
    durable_ = store->hold_applied(group->applied_upto());
}

void GroupReplica::open_with_index() {
    crash();
    index = std::make_shared<storage::KeyValueMemory>();
    open();
}

void GroupReplica::close() {
    group.reset();
    store_pointer = nullptr;
    store.reset();
    runtime.reset();
}

void GroupReplica::crash() {
    disk.crash();
    close();
}

void GroupReplica::flip_bit(storage::FramePlace place, std::uint64_t skip) {
    disk.flip_bit("/data/shard-00/log/" + storage::format_segment_name({.sequence = place.segment}),
                  place.position + skip,
                  1);
}

bool GroupReplica::turn() {
    if (!store) {
        return false;
    }
    const bool happened = runtime->turn() > 0;
    store->mark_applied(std::min(durable_, group->applied_upto()));
    store->submit();
    if (clock_.steady_now() >= next_tick_) {
        next_tick_ = clock_.steady_now() + tick_interval;
        store->tick();
    }
    return happened;
}

void GroupReplica::propose(const std::string& text) {
    EntryBuffer entry;
    const auto bytes = std::as_bytes(std::span(text));
    std::ranges::copy(bytes, entry.extend(text.size()).begin());
    group->propose(
        some_type,
        0,
        std::move(entry),
        [this](const Result<RaftIndex>& result) {
            answers.push_back(result ? Errc::ok : result.error().code);
        },
        [this, text] { stored.push_back(text); });
}

void GroupReplica::propose_record() {
    const BatchHeader header{.partition = PartitionId{1},
                             .record_count = 1,
                             .base_offset = Offset{0},
                             .append_time_us = clock_.unix_now(),
                             .batch_bytes = 8};
    EntryBuffer entry;
    const auto run = entry.extend(header.run_bytes());
    std::ranges::fill(run, std::byte{0});
    store_batch_header(run, header);
    group->propose(storage::entry_type_records, 1, std::move(entry), [](const auto&) {});
}

void GroupReplica::on_recovered_frame(const storage::FrameView& frame,
                                      storage::FramePlace place,
                                      bool in_state) {
    group->recover_frame(frame, place, in_state);
}

void GroupReplica::on_durable(CommitSequence commit) {
    durable_ = commit;
    group->on_durable(commit);
    store->mark_applied(std::min(durable_, group->applied_upto()));
}

void GroupReplica::apply(const Entry& entry) {
    if (entry.type == storage::entry_type_records) {
        store->index_batches(entry.place, entry.payload);
        return;
    }
    applied.emplace_back(reinterpret_cast<const char*>(entry.payload.data()), entry.payload.size());
    places.push_back(entry.place);
}

ReplicaTest::ReplicaTest(std::size_t trailing_bytes_max, std::uint64_t more) {
    std::vector<Voter> voters;
    for (std::uint64_t node = 1; node <= 3; ++node) {
        voters.push_back({.node = NodeId{node}, .address = "node" + std::to_string(node)});
    }
    for (std::uint64_t node = 1; node <= 3 + more; ++node) {
        replicas.push_back(std::make_unique<GroupReplica>(
            NodeId{node},
            voters,
            [this](NodeId from, NodeId to, std::vector<std::byte> message) {
                return send(from, to, std::move(message));
            },
            clock,
            trailing_bytes_max));
    }
}

bool ReplicaTest::send(NodeId from, NodeId to, std::vector<std::byte> message) {
    if (cut_.contains(to) || cut_.contains(from) || replicas.size() < to.value ||
        !at(to.value).store) {
        return false;
    }
    network_.push_back({.from = from, .to = to, .bytes = std::move(message)});
    return true;
}

void ReplicaTest::run(Duration time) {
    for (const auto end = clock.steady_now() + time; clock.steady_now() < end;) {
        while (turn()) {
        }
        clock.advance(step);
    }
}

bool ReplicaTest::turn() {
    bool happened = !network_.empty();
    for (const auto& message : std::exchange(network_, {})) {
        auto& to = at(message.to.value);
        if (to.group) {
            EXPECT_TRUE(to.group->receive(message.from, message.bytes));
        }
    }
    for (const auto& replica : replicas) {
        happened = replica->turn() || happened;
    }
    return happened;
}

GroupReplica* ReplicaTest::leader() {
    const auto found = std::ranges::find_if(replicas, [](const auto& replica) {
        return replica->group && replica->group->role().leads;
    });
    return found == replicas.end() ? nullptr : found->get();
}

GroupReplica* ReplicaTest::elect() {
    for (int i = 0; i < 200 && leader() == nullptr; ++i) {
        run(Duration{100'000});
    }
    return leader();
}

GroupReplica& ReplicaTest::follower() {
    const auto found = std::ranges::find_if(replicas, [](const auto& replica) {
        return replica->group && !replica->group->is_leader();
    });
    return **found;
}

}  // namespace millrace::broker::consensus
