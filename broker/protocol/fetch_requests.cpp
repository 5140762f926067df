#include <algorithm>
#include <map>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/reading/fetch.hpp"
#include "broker/protocol/session.hpp"
#include "client/wire/schema/records_generated.h"

namespace millrace::broker::protocol {
namespace {

using delivery::Fetched;
using delivery::FetchPlan;

struct FetchJoin {
    std::shared_ptr<Session> session;
    wire::FrameHeader header;
    std::vector<Fetched> found;
    std::size_t shards_left = 0;

    void add(std::vector<Fetched> part) {
        if (found.empty()) {
            found = std::move(part);
        } else {
            std::ranges::move(part, std::back_inserter(found));
        }
        if (--shards_left == 0) {
            answer();
        }
    }
    void answer() const {
        wire::FetchAnswerT message;
        std::vector<SharedBytes> raw;
        message.partitions.reserve(found.size());
        for (const auto& part : found) {
            auto partition = std::make_unique<wire::FetchedPartitionT>();
            partition->partition_id = part.partition.value;
            partition->error = part.error ? to_wire(*part.error) : nullptr;
            partition->run_bytes = static_cast<std::uint32_t>(part.runs.size());
            partition->first_offset = part.first.value;
            partition->next_offset = part.next.value;
            partition->skip_to = part.skip_to.value;
            message.partitions.push_back(std::move(partition));
            if (!part.runs.empty() && (raw.empty() || !raw.back().join(part.runs))) {
                raw.push_back(part.runs);
            }
            session->metrics().records_out.add(part.record_count);
        }
        session->answer_shared(header, message, std::move(raw));
    }
};

std::map<ShardId, FetchPlan> plans_of(const wire::FetchRequest& request,
                                      const CatalogView& view,
                                      ShardId here,
                                      std::size_t frame_bytes_max) {
    std::map<ShardId, FetchPlan> plans;
    const std::size_t count = request.partitions()->size();
    for (const auto* const wanted : *request.partitions()) {
        const PartitionId id{wanted->partition_id()};
        const auto* const ref = view.find(id);
        auto& plan = plans[ref == nullptr ? here : ref->info().shard];
        if (plan.wanted.empty()) {
            plan.wanted.reserve(count);
        }
        plan.wanted.push_back({.partition = id,
                               .offset = Offset{wanted->offset()},
                               .bytes_max = wanted->bytes_max()});
        plan.bytes_min = request.bytes_min();
        plan.wait_max = std::chrono::milliseconds(std::min(request.wait_max_ms(), 60'000U));
    }
    for (auto& [shard, plan] : plans) {
        plan.bytes_max = delivery::fetch_share(request.bytes_max(), frame_bytes_max, plans.size());
    }
    return plans;
}

}  // namespace

void handle_fetch(const Request& request) {
    const auto table = wire::verify_table<wire::FetchRequest>(request.table);
    if (!table || table.value()->partitions() == nullptr ||
        table.value()->partitions()->size() == 0) {
        request.refuse(table ? fail(Errc::invalid_argument, "a fetch without partitions")
                             : table.error());
        return;
    }
    const auto& session = request.session;
    const auto here = session->shard_id();
    auto plans = plans_of(*table.value(),
                          *session->services().shard->catalog().view(),
                          here,
                          session->limits().frame_bytes_max);
    auto join = std::make_shared<FetchJoin>();
    join->session = session;
    join->header = request.header;
    join->shards_left = plans.size();
    for (auto& [shard, plan] : plans) {
        start_on<std::vector<Fetched>>(
            session->table(),
            here,
            shard,
            [plan = std::move(plan)](const ShardServices& services, const auto& done) {
                services.fetcher->start(plan, done);
            },
            [join](std::vector<Fetched> part) { join->add(std::move(part)); });
    }
}

}  // namespace millrace::broker::protocol
