#include "broker/data_directory.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

namespace millrace::broker {
namespace {

constexpr std::uint32_t format_version = 1;

Result<void> write_durably(const std::string& path, const std::string& text) {
    const auto temporary = path + ".new";
    const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (file < 0) {
        return fail(Errc::io,
                    "cannot write " + temporary + ": " + std::generic_category().message(errno),
                    errno);
    }
    const bool is_written =
        ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fsync(file) == 0;
    const int code = errno;
    ::close(file);
    if (!is_written || ::rename(temporary.c_str(), path.c_str()) != 0) {
        return fail(
            Errc::io, "cannot write " + path + ": " + std::generic_category().message(code), code);
    }
    return ok();
}

}  // namespace

Result<DataDirectory> DataDirectory::take(const std::string& path) {
    std::error_code code;
    std::filesystem::create_directories(path, code);
    if (code) {
        return fail(
            Errc::io, "cannot make data directory " + path + ": " + code.message(), code.value());
    }
    const int lock = ::open((path + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (lock < 0) {
        return fail(Errc::io,
                    "cannot open " + path + "/lock: " + std::generic_category().message(errno),
                    errno);
    }
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
        ::close(lock);
        return fail(Errc::locked,
                    "data directory " + path +
                        " is in use by another millraced: stop it, or give --data-dir");
    }
    return DataDirectory(path, lock);
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

DataDirectory& DataDirectory::operator=(DataDirectory&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(lock_, other.lock_);
    return *this;
}

DataDirectory::~DataDirectory() {
    if (lock_ >= 0) {
        ::close(lock_);
    }
}

Result<NodeIdentity> DataDirectory::identify(std::uint32_t shards_wanted,
                                             std::uint32_t shards_default,
                                             std::uint64_t node_wanted) const {
    const auto path = path_ + "/node.json";
    NodeIdentity identity{.node_id = node_wanted == 0 ? 1 : node_wanted, .shard_count = 0};
    if (std::ifstream in(path); in) {
        const auto json = nlohmann::json::parse(in, nullptr, false);
        if (!json.is_object()) {
            return fail(Errc::corrupt, path + " is not JSON");
        }
        identity.format_version = json.value("format_version", 0U);
        identity.node_id = json.value("node_id", std::uint64_t{1});
        identity.shard_count = json.value("shards", 0U);
        identity.cluster_id = json.value("cluster_id", "");
        for (const auto& member : json.value("members", nlohmann::json::array())) {
            identity.members[member.value("node", std::uint64_t{0})] = member.value("address", "");
        }
        if (identity.format_version > format_version) {
            return fail(Errc::newer_format,
                        path + ": format " + std::to_string(identity.format_version) +
                            " is newer than this program's " + std::to_string(format_version));
        }
    }
    if (node_wanted != 0 && node_wanted != identity.node_id) {
        return fail(Errc::configuration,
                    "node_id: the data directory belongs to node " +
                        std::to_string(identity.node_id) + ", not to node " +
                        std::to_string(node_wanted));
    }
    if (shards_wanted != 0 && shards_wanted < identity.shard_count) {
        return fail(Errc::configuration,
                    "shards: the data directory has " + std::to_string(identity.shard_count) +
                        " shards with data, which may not become " + std::to_string(shards_wanted));
    }
    if (identity.shard_count == 0 || shards_wanted > identity.shard_count) {
        identity.shard_count = shards_wanted != 0 ? shards_wanted : shards_default;
        identity.format_version = format_version;
        MILLRACE_TRY(keep(identity));
    }
    return identity;
}

Result<void> DataDirectory::keep(const NodeIdentity& identity) const {
    nlohmann::json json{{"format_version", identity.format_version},
                        {"node_id", identity.node_id},
                        {"shards", identity.shard_count}};
    if (!identity.cluster_id.empty()) {
        json["cluster_id"] = identity.cluster_id;
    }
    for (const auto& [node, address] : identity.members) {
        json["members"].push_back({{"node", node}, {"address", address}});
    }
    return write_durably(path_ + "/node.json", json.dump(2) + "\n");
}

}  // namespace millrace::broker
