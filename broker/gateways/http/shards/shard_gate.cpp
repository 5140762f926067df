#include "broker/gateways/http/shards/shard_gate.hpp"

#include <future>

#include "broker/catalog/catalog_service.hpp"

namespace millrace::broker::http {

ShardGate::ShardGate(boost::asio::io_context& control, Refusal refusal)
    : core_(std::make_shared<Core>(control)) {
    core_->refusal = std::move(refusal);
}

ShardGate::~ShardGate() {
    close();
    // What waits may hold what owns this gate.
    core_->waiting.clear();
}

void ShardGate::open(std::vector<ShardLink> links) {
    core_->links = std::move(links);
    const auto first = core_->links.front();
    const auto keep = [weak = std::weak_ptr(core_)](const CatalogPtr& view) {
        if (const auto core = weak.lock()) {
            core->catalog = view;
        }
    };
    const auto take = [control = &core_->control, keep](const CatalogPtr& view) {
        boost::asio::post(*control, [keep, view] { keep(view); });
    };
    std::promise<CatalogPtr> looked;
    first.runtime->post_from_outside([first, take, &looked] {
        first.shard->on_catalog(take);
        looked.set_value(first.shard->catalog().view());
    });
    core_->catalog = looked.get_future().get();
    core_->is_open = true;
}

void ShardGate::close() {
    core_->is_open = false;
    core_->is_closed = true;
}

Error ShardGate::closed() const {
    if (core_->refusal && !core_->is_closed) {
        return core_->refusal();
    }
    return fail(Errc::shutting_down, "the broker starts or stops; try again");
}

}  // namespace millrace::broker::http
