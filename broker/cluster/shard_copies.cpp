#include "broker/cluster/shard_copies.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "broker/peers/copy_source.hpp"
#include "broker/peers/entry_fetcher.hpp"
#include "storage/base/logging.hpp"
#include "storage/copy/copy_install.hpp"
#include "storage/copy/shard_copy.hpp"

namespace millrace::broker::cluster {
namespace {

constexpr std::chrono::milliseconds retry_rest{500};
constexpr std::chrono::seconds progress_interval{5};

std::string wanted_path(const std::string& directory) {
    return directory + ".wanted";
}

std::string name_of(ShardId shard) {
    return "shard " + std::to_string(shard.value);
}

bool is_worth_another_try(Errc code) {
    return code == Errc::unavailable || code == Errc::connection_lost || code == Errc::timed_out ||
           code == Errc::corrupt || code == Errc::not_leader || code == Errc::conflict;
}

}  // namespace

ReplicaMark mark_of(const Shard& shard) {
    ReplicaMark mark;
    for (const auto& group : shard.groups()) {
        const auto number = static_cast<std::uint32_t>(group.group.value);
        mark.terms[number] = group.role.term.value;
        mark.lasts[number] = group.last.value;
    }
    return mark;
}

std::string ShardCopies::directory_of(ShardId shard) const {
    const auto number = std::to_string(shard.value);
    return data_directory + "/shard-" + (number.size() < 2 ? "0" : "") + number;
}

Result<void> ShardCopies::ask_for(ShardId shard) const {
    const auto path = wanted_path(directory_of(shard));
    std::ofstream out(path);
    out.close();
    return out ? Result<void>(ok()) : Result<void>(fail(Errc::io, "cannot write " + path));
}

peers::PeerHello ShardCopies::hello_of(ShardId shard) const {
    return {.node = nodes.self(),
            .shard = shard.value,
            .shard_count = shard_count,
            .cluster_id = record.id(),
            .founders = {},
            .native = {}};
}

std::vector<Endpoint> ShardCopies::others_of(ShardId shard) const {
    auto known = nodes;
    known.add(record.members());
    return known.others_of(shard);
}

Result<storage::RepairOutcome> ShardCopies::repair(storage::Disk& disk,
                                                   ShardId shard,
                                                   const storage::RepairTask& task,
                                                   const std::atomic<bool>& is_stopping) const {
    log_info(name_of(shard),
             "segment " + std::to_string(task.segment.header.sequence.value) +
                 " is damaged; what it lacks is fetched from the other nodes");
    peers::EntryFetcher source({.hello = hello_of(shard), .others = others_of(shard)}, is_stopping);
    return storage::repair_segment(
        disk, task, source, {.bytes_per_second = bytes_per_second, .is_stopping = is_stopping});
}

Result<void> ShardCopies::pull_from(storage::Disk& disk,
                                    ShardId shard,
                                    const std::map<std::uint32_t, std::uint64_t>& terms,
                                    bool has_forgotten,
                                    const std::atomic<bool>& is_stopping) const {
    auto hello = hello_of(shard);
    hello.is_new = has_forgotten;
    peers::CopySource source(
        {.hello = std::move(hello), .others = others_of(shard), .terms = terms}, is_stopping);
    auto told_at = std::chrono::steady_clock::now();
    return storage::copy_shard(
        disk,
        source,
        {.directory = directory_of(shard),
         .bytes_per_second = bytes_per_second,
         .on_progress =
             [&](const storage::CopyProgress& progress) {
                 if (const auto now = std::chrono::steady_clock::now();
                     now - told_at > progress_interval) {
                     told_at = now;
                     log_info(name_of(shard),
                              std::to_string(progress.bytes_done >> 20U) + " of " +
                                  std::to_string(progress.bytes >> 20U) + " MiB copied");
                 }
             },
         .is_stopping = is_stopping});
}

Result<void> ShardCopies::pull(storage::Disk& disk,
                               ShardId shard,
                               const std::map<std::uint32_t, std::uint64_t>& terms,
                               const std::atomic<bool>& is_stopping) const {
    log_info(name_of(shard), "is copied from the node that leads it, beside what is here");
    return pull_from(disk, shard, terms, /*has_forgotten=*/false, is_stopping);
}

Result<void> ShardCopies::copy(storage::Disk& disk,
                               ShardId shard,
                               const std::atomic<bool>& is_stopping) const {
    log_info(name_of(shard), "is copied from the node that leads it");
    while (true) {
        auto pulled = pull_from(disk, shard, {}, /*has_forgotten=*/true, is_stopping);
        if (pulled) {
            return storage::install_copy(disk, directory_of(shard));
        }
        if (is_stopping || !is_worth_another_try(pulled.error().code)) {
            return pulled;
        }
        log_warning(name_of(shard), "the copy waits: " + pulled.error().text);
        std::this_thread::sleep_for(retry_rest);
    }
}

Result<void> ShardCopies::run(storage::Disk& disk,
                              const std::vector<ShardId>& pulled,
                              const std::atomic<bool>& is_stopping) const {
    for (const auto shard : pulled) {
        MILLRACE_TRY(storage::install_copy(disk, directory_of(shard)));
        log_info(name_of(shard), "is copied");
    }
    for (ShardId shard{0}; shard.value < shard_count; ++shard) {
        const auto directory = directory_of(shard);
        MILLRACE_TRY(storage::finish_install(disk, directory));
        if (std::filesystem::exists(wanted_path(directory))) {
            MILLRACE_TRY(copy(disk, shard, is_stopping));
            log_info(name_of(shard), "is copied");
            std::error_code ignored;
            std::filesystem::remove(wanted_path(directory), ignored);
        }
    }
    return ok();
}

}  // namespace millrace::broker::cluster
