#include "tests/simulation/cluster/log_watch.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "storage/base/units.hpp"

namespace millrace::simulation::cluster {
namespace {

constexpr Duration look_min{50'000};
constexpr Duration look_max{300'000};
constexpr std::size_t read_bytes = 128_KiB;
constexpr std::size_t again_bytes = 16_KiB;  ///< of what is known
constexpr Duration read_step{1'000};
constexpr int read_steps_max = 20'000;

}  // namespace

void LogWatch::start() {
    around_.stage.after(around_.stage.between(look_min, look_max), [this] {
        look_around();
        start();
    });
}

void LogWatch::look_around() {
    for (const auto& node : around_.nodes) {
        if (!node->takes_clients()) {
            continue;
        }
        node->post([this, at = node.get()] { look(*at); });
    }
}

void LogWatch::look(SimNode& node) {
    if (!node.takes_clients()) {
        return;
    }
    for (auto& [partition, next] : next_) {
        look_at(node, partition, next);
    }
}

void LogWatch::look_at(SimNode& node, PartitionId partition, Offset& next) {
    const auto limits = node.shard().bounds(partition);
    const auto known = std::max(around_.history.acked_end(partition), next);
    const auto end = limits ? limits->next : Offset{0};
    if (around_.is_newest(node) && end < known) {
        around_.stage.violate(node.name() + " leads, and partition " +
                              std::to_string(partition.value) + " ends at " +
                              std::to_string(end.value) + ": " + std::to_string(known.value) +
                              " records were acked or read");
    }
    if (!limits || limits->first == end) {
        return;
    }
    // What is known is read again now and then.
    const auto random = limits->first + around_.stage.below(end.value - limits->first.value);
    const bool has_more = next < end;
    const ReadFrom from{.partition = partition,
                        .offset = has_more ? std::max(next, limits->first) : random,
                        .bytes_max = has_more ? read_bytes : again_bytes};
    read(node, from, [&next](Offset reached) { next = std::max(next, reached); });
}

void LogWatch::read(SimNode& node, const ReadFrom& request, std::function<void(Offset)> done) {
    node.shard().read(
        {.partition = request.partition, .from = request.offset, .bytes_max = request.bytes_max},
        [this, &node, partition = request.partition, from = request.offset, done = std::move(done)](
            const Result<storage::ReadResult>& result) {
            if (!result) {
                around_.stage.tell(node.name() + " gives no records: " + result.error().text);
                done(from);
                return;
            }
            const auto& found = result.value();
            for (const auto& record : records_of(found.runs, from)) {
                around_.history.note_read(node.name(), partition, record);
            }
            if (found.damage) {
                around_.stage.tell(node.name() + " gives no records: " + found.damage->text);
                damaged_ += found.skip_to.value - found.next.value;
            }
            done(found.damage ? found.skip_to : found.next);
        });
}

bool LogWatch::read_whole(SimNode& node) {
    return std::ranges::all_of(
        next_, [this, &node](const auto& row) { return read_whole(node, row.first); });
}

bool LogWatch::read_whole(SimNode& node, PartitionId partition) {
    const auto limits = node.shard().bounds(partition);
    if (!limits) {
        around_.stage.violate(node.name() + " does not know partition " +
                              std::to_string(partition.value));
        return false;
    }
    const auto life = node.life();
    auto at = limits->first;
    const auto first = std::make_shared<Offset>(at);
    while (at < limits->next) {
        const auto reached = std::make_shared<std::optional<Offset>>();
        const auto take = [reached](Offset next) { *reached = next; };
        node.post([this, &node, partition, at, take, first] {
            // Retention may have gone on.
            *first = node.shard().bounds(partition)->first;
            const auto from = std::max(at, *first);
            read(node, {.partition = partition, .offset = from, .bytes_max = read_bytes}, take);
        });
        for (int step = 0; step < read_steps_max && !*reached && node.life() == life; ++step) {
            around_.run_for(read_step);
        }
        if (node.life() != life || !*reached || **reached <= at) {
            return false;
        }
        at = **reached;
    }
    around_.history.check_end(partition, *first, limits->next);
    return true;
}

}  // namespace millrace::simulation::cluster
