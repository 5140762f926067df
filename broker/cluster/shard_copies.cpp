#include "broker/cluster/shard_copies.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include <nlohmann/json.hpp>

#include "broker/peers/copy_source.hpp"
#include "storage/base/logging.hpp"
#include "storage/copy/copy_install.hpp"
#include "storage/copy/shard_copy.hpp"

namespace millrace::broker::cluster {
namespace {

using Terms = std::map<std::uint32_t, std::uint64_t>;

constexpr std::chrono::milliseconds retry_rest{500};
constexpr std::chrono::seconds progress_interval{5};

std::string wanted_path(const std::string& directory) {
    return directory + ".wanted";
}

/// Terms that can't be read are none: a leader of before would be found out by the groups then.
std::optional<Terms> load_wanted(const std::string& directory) {
    std::ifstream in(wanted_path(directory));
    if (!in) {
        return std::nullopt;
    }
    Terms terms;
    const auto json = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
    if (!json.is_array()) {
        return terms;
    }
    for (const auto& row : json) {
        if (row.is_array() && row.size() == 2 && row[0].is_number_unsigned() &&
            row[1].is_number_unsigned()) {
            terms[row[0].get<std::uint32_t>()] = row[1].get<std::uint64_t>();
        }
    }
    return terms;
}

bool is_worth_another_try(Errc code) {
    return code == Errc::unavailable || code == Errc::connection_lost || code == Errc::timed_out ||
           code == Errc::corrupt || code == Errc::not_leader || code == Errc::conflict;
}

}  // namespace

std::string ShardCopies::directory_of(ShardId shard) const {
    const auto number = std::to_string(shard.value);
    return data_directory + "/shard-" + (number.size() < 2 ? "0" : "") + number;
}

Result<void> ShardCopies::ask_for(ShardId shard, const Terms& terms) const {
    auto json = nlohmann::json::array();
    for (const auto& [group, term] : terms) {
        json.push_back({group, term});
    }
    const auto path = wanted_path(directory_of(shard));
    std::ofstream out(path);
    out << json.dump() << '\n';
    out.close();
    return out ? Result<void>(ok()) : Result<void>(fail(Errc::io, "cannot write " + path));
}

bool ShardCopies::is_any_wanted() const {
    for (ShardId shard{0}; shard.value < shard_count; ++shard) {
        if (std::filesystem::exists(wanted_path(directory_of(shard)))) {
            return true;
        }
    }
    return false;
}

Result<void> ShardCopies::copy(storage::Disk& disk,
                               ShardId shard,
                               const Terms& terms,
                               const std::atomic<bool>& is_stopping) const {
    const auto name = "shard " + std::to_string(shard.value);
    peers::CopySource source({.hello = {.node = nodes.self(),
                                        .shard = shard.value,
                                        .shard_count = shard_count,
                                        .cluster_id = {},
                                        .native = {}},
                              .others = nodes.others_of(shard),
                              .terms = terms},
                             is_stopping);
    auto told_at = std::chrono::steady_clock::now();
    const storage::CopyOptions options{
        .directory = directory_of(shard),
        .bytes_per_second = bytes_per_second,
        .on_progress =
            [&](const storage::CopyProgress& progress) {
                if (const auto now = std::chrono::steady_clock::now();
                    now - told_at > progress_interval) {
                    told_at = now;
                    log_info(name,
                             std::to_string(progress.bytes_done >> 20U) + " of " +
                                 std::to_string(progress.bytes >> 20U) + " MiB copied");
                }
            },
        .is_stopping = is_stopping};
    log_info(name, "is copied from the node that leads it");
    while (true) {
        auto copied = storage::copy_shard(disk, source, options);
        if (copied) {
            break;
        }
        if (is_stopping || !is_worth_another_try(copied.error().code)) {
            return copied;
        }
        log_warning(name, "the copy waits: " + copied.error().text);
        std::this_thread::sleep_for(retry_rest);
    }
    MILLRACE_TRY(storage::install_copy(disk, directory_of(shard)));
    log_info(name, "is copied");
    return ok();
}

Result<void> ShardCopies::run(storage::Disk& disk, const std::atomic<bool>& is_stopping) const {
    for (ShardId shard{0}; shard.value < shard_count; ++shard) {
        const auto directory = directory_of(shard);
        MILLRACE_TRY(storage::finish_install(disk, directory));
        if (const auto terms = load_wanted(directory)) {
            MILLRACE_TRY(copy(disk, shard, *terms, is_stopping));
            std::error_code ignored;
            std::filesystem::remove(wanted_path(directory), ignored);
        }
    }
    return ok();
}

}  // namespace millrace::broker::cluster
