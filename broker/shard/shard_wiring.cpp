#include <algorithm>
#include <cstring>
#include <utility>

#include "broker/shard/shard_impl.hpp"

// How the parts of a shard reach each other.
namespace millrace::broker {

ShardGroups::Wiring ShardImpl::group_wiring() {
    return {.data = *this,
            .catalog = catalog_,
            .on_failure = [this](const Error& error) { on_failed(error); },
            .on_role =
                [this] {
                    if (tell_standing_) {
                        tell_standing_();
                    }
                },
            .on_behind =
                [this](NodeId leader) {
                    if (tell_behind_) {
                        tell_behind_(leader);
                    }
                },
            .on_caught_up =
                [&counter = metrics_.counter(
                     "millrace_catch_up_bytes_total",
                     "Bytes of entries sent from the log to nodes that lacked what is no longer in "
                     "memory.",
                     {{"shard", std::to_string(options_.id.value)}})](std::size_t bytes) {
                    counter.add(bytes);
                },
            .on_members =
                [this] {
                    if (tell_members_) {
                        tell_members_();
                    }
                }};
}

/// Consensus tells while it applies, where nothing that waits for the disk may be called.
void ShardImpl::confirm_lead(CommandDone done) {
    groups_.confirm([this, done = std::move(done)](const Result<void>& confirmed) {
        runtime_.post([done, confirmed] { done(confirmed); });
    });
}

PublishQueue::Propose ShardImpl::proposer(std::uint16_t type) {
    return [this, type](std::uint32_t batch_count, consensus::EntryBuffer entry, auto events) {
        if (type == entry_type_sequences) {
            queue_.flush();  // sequences name places of records that may still be in there
        }
        groups_.data().propose(
            type, batch_count, std::move(entry), std::move(events.done), std::move(events.stored));
    };
}

ShardCatalog::Wiring ShardImpl::catalog_wiring() {
    return {
        .shard = options_.id,
        .shard_count = options_.shard_count,
        .runtime = runtime_,
        .store = store_pointer_,
        .peer =
            [this](ShardId shard) {
                return &static_cast<ShardImpl*>(table_.shards[shard.value])->catalog_;
            },
        .propose =
            [this](const std::string& command, consensus::ProposeDone done) {
                const auto fits = CommandQueue::check_size(command.size(), command_bytes_max());
                if (!fits) {
                    done(fits.error());
                    return;
                }
                consensus::EntryBuffer entry;
                std::memcpy(entry.extend(command.size()).data(), command.data(), command.size());
                groups_.catalog().propose(entry_type_catalog, 0, std::move(entry), std::move(done));
            },
        .on_view = [this](const CatalogPtr& view) { see_catalog(view); }};
}

void ShardImpl::tell_advances() {
    auto advanced = std::exchange(advanced_, {});
    std::ranges::sort(advanced);
    advanced.erase(std::unique(advanced.begin(), advanced.end()), advanced.end());
    for (const auto partition : advanced) {
        const auto next = store_->bounds(partition).next;
        for (const auto& listener : advance_listeners_) {
            listener(partition, next);
        }
    }
}

/// Others have the same records; a node alone can only say what is gone.
void ShardImpl::on_damage(const Error& damage) {
    if (!options_.cluster) {
        return;
    }
    is_damaged_ = true;
    log_warning("shard " + std::to_string(options_.id.value),
                damage.text + "; what it lacks comes from another node");
    if (tell_standing_) {
        tell_standing_();
    }
}

void ShardImpl::on_repaired() {
    if (std::exchange(is_damaged_, false) && tell_standing_) {
        tell_standing_();
    }
}

void ShardImpl::find_entry(const storage::EntryRequest& request, storage::FindEntryDone done) {
    const auto groups = groups_.status();
    const auto group = std::ranges::find(groups, request.group, &consensus::GroupStatus::group);
    if (group == groups.end() || request.index > group->applied) {
        done(fail(Errc::not_found,
                  "entry " + std::to_string(request.index.value) + " of group " +
                      std::to_string(request.group.value) + " is not committed here"));
        return;
    }
    store_->find_entry(request, std::move(done));
}

void ShardImpl::note_damaged(const std::vector<SegmentSequence>& segments) {
    store_->note_damaged(segments);
}

}  // namespace millrace::broker
