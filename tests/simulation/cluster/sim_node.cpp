#include "tests/simulation/cluster/sim_node.hpp"

#include <algorithm>
#include <utility>

#include "tests/simulation/cluster/node_copy.hpp"

#include "broker/catalog/catalog_service.hpp"
#include "storage/repair/segment_repair.hpp"

// A node that is open: what it does with its shard.

namespace millrace::simulation::cluster {
namespace {

constexpr Duration turn_min{10};
constexpr Duration turn_max{100};
constexpr Duration report_delay_max{8'000};  ///< until the daemon's control thread has heard
constexpr Duration together_interval{200'000};
constexpr Duration handover_interval{20'000};
constexpr Duration handover_time_max{3'000'000};
constexpr Duration keep_interval{300'000};
constexpr Duration stop_delay_max{50'000};
constexpr Duration renew_rest{500'000};
constexpr Duration restart_min{10'000};
constexpr Duration restart_max{100'000};
constexpr Duration failed_for_max{1'500'000};  ///< until somebody does something about it

}  // namespace

void SimNode::later(Duration delay, broker::Task task) {
    stage().after(delay, [this, life = life_, task = std::move(task)] {
        if (life == life_) {
            task();
        }
    });
}

void SimNode::catch_up_clock() {
    clock_.advance(stage().now() - synced_at_);
    synced_at_ = stage().now();
}

std::optional<SteadyTime> SimNode::wake() const {
    if (phase_ != Phase::open) {
        return std::nullopt;
    }
    auto at = disk_->next_completion();
    if (const auto next = parts_->runtime.next_task()) {
        const auto due = synced_at_ + (*next - clock_.steady_now());
        at = at ? std::min(*at, due) : due;
    }
    return at ? std::optional(std::max({*at, rests_until_, paused_until_})) : std::nullopt;
}

void SimNode::turn() {
    catch_up_clock();
    (void)parts_->runtime.turn();
    rests_until_ = stage().now() + stage().between(turn_min, turn_max);
    look_at_failure();
}

std::string SimNode::describe() const {
    auto text = name() + (phase_ == Phase::open      ? " is open"
                          : phase_ == Phase::copying ? " is copying"
                                                     : " is down");
    if (phase_ != Phase::open) {
        return text;
    }
    for (const auto& group : parts_->shard->groups()) {
        text += "; group " + std::to_string(group.group.value) + " term " +
                std::to_string(group.role.term.value) + " leader " +
                std::to_string(group.role.leader.value) + (group.role.leads ? " (leads)" : "") +
                " last " + std::to_string(group.last.value) + " applied " +
                std::to_string(group.applied.value) + " voters";
        for (const auto& member : group.members) {
            if (member.role == broker::consensus::MemberRole::voter) {
                text += " " + std::to_string(member.node.value);
            }
        }
        for (const auto& replica : group.replicas) {
            text += ", node " + std::to_string(replica.node.value) + " has " +
                    std::to_string(replica.match.value) + (replica.is_behind ? " (behind)" : "");
        }
    }
    return text;
}

void SimNode::pause(Duration length) {
    tell("stands still for " + std::to_string(length.count() / 1'000) + " ms");
    paused_until_ = std::max(paused_until_, stage().now() + length);
}

/// What the daemon does once the shard is open.
void SimNode::follow() {
    auto& shard = *parts_->shard;
    is_empty_ = shard.is_new();
    is_founded_ = !is_empty_;
    shard.on_behind([this](NodeId leader) {
        ask_for_copy();
        later(stage().between(Duration(0), report_delay_max), [this, leader] { make_way(leader); });
    });
    around_.network.attach(options_.id, *this);
    parts_->runtime.post([this, &shard] {
        shard.on_standing([this] { hear(); });
        shard.note_damaged(std::exchange(damaged_, {}));
        hear();
    });
    bring_lead_together();
    if (options_.placement.voters_max > 0) {
        linked_at_.clear();
        keep_voters();
    }
}

/// In a turn: the shard's standing has changed.
void SimNode::hear() {
    for (const auto& group : parts_->shard->groups()) {
        if (group.role.leads) {
            around_.on_lead(options_.id, group);
        }
    }
    const auto delay = stage().between(Duration(0), report_delay_max);
    reports_due_ = std::max(reports_due_, stage().now() + delay);
    later(reports_due_ - stage().now(),
          [this, standing = parts_->shard->standing()] { report(standing); });
}

void SimNode::report(broker::ShardStanding standing) {
    standing_ = standing;
    leader_ = standing.leader;
    damaged_ = standing.damaged_segments;
    if (const auto was = std::exchange(is_damaged_, standing.is_damaged); was != is_damaged_) {
        tell(is_damaged_ ? "finds that its log is damaged" : "has no damage any more");
        mends_ += is_damaged_ ? 0U : 1U;
    }
    if (is_ending_) {
        return;
    }
    if (handover_) {
        if (standing.leads_some) {
            return;
        }
        handover_.reset();
    }
    if (standing.leads && !std::exchange(has_led_, true)) {
        tell("leads");
        parts_->runtime.post([this] { parts_->shard->serve(); });
    } else if (!standing.leads_all && has_led_) {
        tell("leads no more");
        end_soon(stop_delay_max, End::graceful);
    }
}

/// Hands over what it leads, so that one node leads all.
void SimNode::hand_over(NodeId to) {
    if (has_led_ && !is_ending_ && !handover_) {
        tell("hands the lead to node " + std::to_string(to.value));
        handover_ = Handover{.to = to, .deadline = stage().now() + handover_time_max};
        look_at_handover();
    }
}

void SimNode::look_at_handover() {
    if (!handover_ || is_ending_) {
        return;
    }
    if (stage().now() >= handover_->deadline) {
        handover_.reset();
        report(standing_);
        return;
    }
    give_way(handover_->to);
    later(handover_interval, [this] { look_at_handover(); });
}

void SimNode::make_way(NodeId leader) {
    if (standing_.leads_some && !is_ending_) {
        parts_->runtime.post([this, leader] {
            if (!parts_->shard->hand_over(leader)) {
                give_way(leader);
            }
        });
    }
}

void SimNode::give_way(NodeId leader) {
    if (leader.value != 0 && leader != options_.id && standing_.leads_some && !is_ending_) {
        parts_->runtime.post([this, leader] {
            for (const auto& group : parts_->shard->groups()) {
                const auto change = group.role.leads ? broker::cluster::step_to_lead(
                                                           group, options_.id, leader, heard())
                                                     : std::nullopt;
                if (change) {
                    parts_->shard->change_members(group.group, *change, [](const Result<void>&) {});
                }
            }
            parts_->shard->transfer(leader);
        });
    }
}

/// As broker/cluster/member_keeper, of members that neither join nor leave.
void SimNode::keep_voters() {
    if (takes_clients_ && !is_ending_) {
        parts_->runtime.post([this] { place_voters(); });
    }
    for (const auto& voter : options_.voters) {
        const auto [at, is_first] = linked_at_.try_emplace(voter.node, stage().now());
        if (around_.network.see(options_.id, voter.node).is_linked) {
            at->second = stage().now();
        }
    }
    later(keep_interval, [this] { keep_voters(); });
}

broker::cluster::Heard SimNode::heard() const {
    broker::cluster::Heard heard;
    for (const auto& voter : options_.voters) {
        const auto seen = around_.network.see(options_.id, voter.node);
        if (voter.node != options_.id && seen.is_linked) {
            heard.linked.insert(voter.node);
        }
        if (voter.node != options_.id && seen.is_linked && !seen.is_new) {
            heard.filled.insert(voter.node);
        }
    }
    return heard;
}

std::vector<broker::consensus::Member> SimNode::wanted_members() {
    using broker::consensus::MemberRole;
    auto members = parts_->shard->groups().front().members;
    const auto links = heard();
    std::vector<broker::cluster::PlacementCandidate> candidates;
    for (const auto& member : members) {
        const auto last = linked_at_.find(member.node);
        const bool is_linked = links.linked.contains(member.node);
        candidates.push_back(
            {.node = member.node,
             .place = options_.places.at(member.node),
             .votes = member.role == MemberRole::voter,
             .is_linked = is_linked,
             .is_lost = !is_linked && last != linked_at_.end() &&
                        stage().now() - last->second > options_.placement.replace_after});
    }
    const auto voters =
        broker::cluster::choose_voters(candidates, options_.id, options_.placement.voters_max);
    for (auto& member : members) {
        member.role = voters.contains(member.node) ? MemberRole::voter : MemberRole::standby;
    }
    return members;
}

/// In a turn.
void SimNode::place_voters() {
    const auto wanted = wanted_members();
    for (const auto& group : parts_->shard->groups()) {
        const auto change = group.role.leads ? broker::cluster::next_member_change(
                                                   group, options_.id, wanted, heard())
                                             : std::nullopt;
        if (!change) {
            continue;
        }
        const auto what =
            "group " + std::to_string(group.group.value) + ": node " +
            std::to_string(change->node.value) +
            (change->role == broker::consensus::MemberRole::voter ? " votes" : " stands by");
        parts_->shard->change_members(group.group, *change, [this, what](const Result<void>& done) {
            tell("changes " + what + (done ? "" : ": " + done.error().text));
        });
    }
}

void SimNode::bring_lead_together() {
    if (!handover_) {
        give_way(leader_);
    }
    look_at_damage();
    later(together_interval, [this] { bring_lead_together(); });
}

void SimNode::end_soon(Duration within, End how) {
    is_ending_ = true;
    takes_clients_ = takes_clients_ && how != End::graceful;
    later(stage().between(Duration(0), within), [this, how] {
        end(how);
        start_after(stage().between(restart_min, restart_max));
    });
}

void SimNode::look_at_failure() {
    if (is_ending_) {
        return;
    }
    if (const auto failure = parts_->shard->failure()) {
        tell("has failed: " + failure->text);
        end_soon(failed_for_max, End::killed);
    }
}

/// One that has forgotten, or never knew, stops until it has its copy; others go on to vote.
void SimNode::ask_for_copy() {
    if (is_ending_) {
        return;
    }
    if (!parts_->shard->is_new()) {
        copy_beside();
        return;
    }
    tell("is new among others");
    is_wanted_ = true;
    end_soon(stop_delay_max, End::graceful);
}

broker::cluster::ReplicaMark SimNode::mark() const {
    return broker::cluster::mark_of(*parts_->shard);
}

void SimNode::copy_beside() {
    if (std::exchange(is_pulling_, true)) {
        return;
    }
    later(stage().between(Duration(0), report_delay_max), [this, mark = mark()] {
        tell("is behind, and is copied");
        const auto life = life_;
        const auto copied = pull(Asker::knows, mark.terms);
        if (life != life_) {
            return;
        }
        if (!copied) {
            tell("has no copy yet: " + copied.error().text);
            is_pulling_ = false;  // the leader tells again
            return;
        }
        parts_->runtime.post([this, mark] { install_later(mark); });
    });
}

void SimNode::install_later(const broker::cluster::ReplicaMark& before) {
    if (is_ending_ || mark() != before) {
        tell("took part while it was copied");
        copy_remainder();
        return;
    }
    parts_->shard->leave();
    is_pulled_ = true;
    end_soon(stop_delay_max, End::graceful);
}

/// As broker/cluster/cluster_seat.
void SimNode::look_at_damage() {
    if (!is_damaged_ || is_ending_) {
        return;
    }
    if (standing_.leads_some) {
        parts_->runtime.post([this] { (void)parts_->shard->hand_over(NodeId{}); });
    } else if (leader_.value != 0 && leader_ != options_.id) {
        renew();
    }
}

/// As broker/node_copies.
void SimNode::renew() {
    if (std::exchange(is_pulling_, true)) {
        return;
    }
    parts_->runtime.post([this] { begin_repair(); });
}

void SimNode::begin_repair() {
    auto task = parts_->shard->store().begin_repair();
    const auto delay = stage().between(Duration(0), report_delay_max);
    if (!task) {
        tell(task.error().text);
        later(delay, [this] { pull_damaged(); });
    } else if (task.value()) {
        later(delay, [this, found = task.value()] { repair(found); });
    } else {
        is_pulling_ = false;  // it was recycled, or is repaired
    }
}

void SimNode::repair(const std::shared_ptr<const storage::RepairTask>& task) {
    // The life may end before the repair does.
    const auto life = life_;
    const auto disk = disk_;
    const auto is_over = is_over_;
    EntriesOfOthers source(around_, options_.id, others());
    const auto outcome = storage::repair_segment(
        *disk, *task, source, {.bytes_per_second = 0, .is_stopping = *is_over});
    if (life != life_) {
        return;
    }
    tell(outcome ? "repairs a segment, " + std::to_string(outcome.value().frames) + " frames"
                 : "does not repair a segment: " + outcome.error().text);
    repairs_ += outcome && outcome.value().is_new_file ? 1U : 0U;
    later(outcome ? Duration(0) : renew_rest, [this, task, outcome] {
        parts_->runtime.post([this, task, outcome] {
            parts_->shard->store().end_repair(*task, outcome);
            is_pulling_ = false;
        });
    });
}

void SimNode::pull_damaged() {
    tell("is copied, as damage is left");
    const auto life = life_;
    const auto copied = pull(Asker::knows, mark().terms);
    if (life != life_) {
        return;
    }
    if (copied) {
        parts_->runtime.post([this] { copy_remainder(); });
    } else {
        tell("has no copy yet: " + copied.error().text);
        later(renew_rest, [this] { is_pulling_ = false; });
    }
}

void SimNode::copy_remainder() {
    if (is_ending_ || parts_->shard->standing().leads_some) {
        is_pulling_ = false;
        return;
    }
    later(stage().between(Duration(0), report_delay_max), [this, terms = mark().terms] {
        const auto life = life_;
        const auto copied = pull(Asker::knows, terms);
        if (life != life_) {
            return;
        }
        is_pulled_ = copied.has_value();
        tell(copied ? "has a copy" : "goes on without a copy: " + copied.error().text);
        if (!is_ending_) {
            end_soon(stop_delay_max, End::graceful);
        }
    });
    parts_->shard->leave();
}

void SimNode::take_message(NodeId from, GroupId group, std::vector<std::byte> message) {
    parts_->runtime.post([this, from, group, bytes = std::move(message)] {
        parts_->shard->receive(from, group, bytes);
    });
}

void SimNode::see_links() {
    parts_->runtime.post([this] { found_or_copy(); });
}

/// As broker/cluster/replica.
void SimNode::found_or_copy() {
    if (is_founded_ || is_ending_) {
        return;
    }
    bool are_all_new = true;
    bool has_elder = false;
    for (const auto& voter : options_.voters) {
        if (voter.node == options_.id) {
            continue;
        }
        const auto seen = around_.network.see(options_.id, voter.node);
        are_all_new = are_all_new && seen.is_linked && seen.is_new;
        has_elder = has_elder || (seen.is_linked && !seen.is_new);
    }
    is_founded_ = are_all_new || has_elder;
    if (are_all_new) {
        tell("founds");
        if (const auto founded = parts_->shard->found(); !founded) {
            tell("cannot found: " + founded.error().text);
        }
        is_empty_ = parts_->shard->is_new();
    } else if (has_elder) {
        ask_for_copy();
    }
}

void SimNode::list(Asker asker, const ListDone& done) {
    if (asker == Asker::knows) {
        done(listing());
        return;
    }
    if (!parts_->shard->standing().leads) {
        done(fail(Errc::not_leader, name() + " does not lead"));
        return;
    }
    parts_->shard->confirm_lead([this, done](const Result<void>& confirmed) {
        done(confirmed ? listing() : Result<Listing>(confirmed.error()));
    });
}

Result<SimNode::Listing> SimNode::listing() {
    if (!parts_->shard->standing().leads_all) {
        return fail(Errc::not_leader, name() + " does not lead");
    }
    MILLRACE_TRY(parts_->shard->store().sync());
    Listing listing;
    for (const auto& group : parts_->shard->groups()) {
        listing.terms[group.group.value] = group.role.term.value;
    }
    listing.segments = parts_->shard->store().list_segments();
    return listing;
}

}  // namespace millrace::simulation::cluster
