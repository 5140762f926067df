#include "tests/simulation/cluster/node_copy.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace millrace::simulation::cluster {
namespace {

constexpr double long_wait_share = 0.05;
constexpr Duration long_wait{150'000};
constexpr Duration short_wait{2'000};
constexpr Duration answer_step{1'000};
constexpr int answer_steps_max = 500;

}  // namespace

void Asking::pass_time() {
    auto& stage = around_.stage;
    around_.run_for(
        stage.between(Duration(100), stage.chance(long_wait_share) ? long_wait : short_wait));
}

/// The asking node itself is not attached: only the other end and the ways count.
SimNode* Asking::reach(NodeId node) const {
    auto* const found = around_.find(node);
    const bool is_there = found->is_open() && !found->is_paused();
    return is_there && around_.network.hears(self_, node) ? found : nullptr;
}

/// Lets the world go on until the node has answered what `ask` is to ask it in its turn.
template <class Answer>
Result<Answer> Asking::answer_of(
    SimNode& node, const std::function<void(std::function<void(const Result<Answer>&)>)>& ask) {
    const auto answer = std::make_shared<std::optional<Result<Answer>>>();
    node.post([ask, answer] { ask([answer](const Result<Answer>& given) { *answer = given; }); });
    for (int step = 0; step < answer_steps_max && !*answer; ++step) {
        around_.run_for(answer_step);
    }
    return *answer ? std::move(**answer)
                   : Result<Answer>(fail(Errc::timed_out, node.name() + " does not answer"));
}

LeaderSource::LeaderSource(SimNode::Surroundings& around, NodeId self, Options options)
    : asking_(around, self), options_(std::move(options)) {}

Result<std::vector<storage::SegmentExtent>> LeaderSource::list_of(SimNode& node) {
    const auto life = node.life();
    MILLRACE_TRY(auto listing,
                 asking_.answer_of<SimNode::Listing>(
                     node, [this, &node](const auto& done) { node.list(options_.asker, done); }));
    if (node.life() != life) {
        return fail(Errc::connection_lost, node.name() + " is gone");
    }
    for (const auto& [group, term] : options_.terms) {
        if (listing.terms[group] < term) {
            return fail(Errc::conflict, "the term of " + node.name() + " is over");
        }
    }
    from_ = node.id();
    life_ = node.life();
    return std::move(listing.segments);
}

Result<std::vector<storage::SegmentExtent>> LeaderSource::list() {
    for (const auto other : options_.others) {
        asking_.pass_time();
        auto* const node = asking_.reach(other);
        if (node == nullptr) {
            continue;
        }
        if (auto listed = list_of(*node)) {
            return listed;
        }
    }
    return fail(Errc::unavailable, "no node leads");
}

void LeaderSource::doubt(const storage::SegmentExtent& extent) {
    auto* const node = asking_.reach(from_);
    if (node != nullptr && node->life() == life_) {
        node->post([node, extent] {
            node->shard().store().check_segment(extent.segment, extent.hash_seed);
        });
    }
}

Result<std::vector<std::byte>> LeaderSource::read(const storage::SegmentRead& request) {
    asking_.pass_time();
    auto* const node = asking_.reach(from_);
    if (node == nullptr || node->life() != life_) {
        return fail(Errc::connection_lost, "the leader is gone");
    }
    return asking_.answer_of<std::vector<std::byte>>(*node, [node, request](const auto& done) {
        node->shard().store().read_segment(request, done);
    });
}

Result<std::vector<std::byte>> EntriesOfOthers::fetch(const storage::EntryRequest& request) {
    auto missing = fail(Errc::not_found, "there is no other node");
    bool is_complete = true;
    for (const auto other : others_) {
        asking_.pass_time();
        auto* const node = asking_.reach(other);
        if (node == nullptr) {
            is_complete = false;
            continue;
        }
        auto image = asking_.answer_of<std::vector<std::byte>>(
            *node, [node, request](const auto& done) { node->shard().find_entry(request, done); });
        if (image) {
            return image;
        }
        is_complete = is_complete && image.error().code == Errc::not_found;
        missing = image.error();
    }
    return is_complete ? missing : fail(Errc::unavailable, "a node can't be asked now");
}

}  // namespace millrace::simulation::cluster
