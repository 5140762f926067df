#include "client/cli/cluster/cluster_commands.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <ostream>
#include <thread>

#include <nlohmann/json.hpp>

#include "client/cli/app/options.hpp"
#include "client/cli/cluster/cluster_look.hpp"
#include "client/cli/cluster/cluster_views.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/views/json_views.hpp"
#include "millrace/client.hpp"
#include "storage/base/errc.hpp"

namespace millrace::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// For the new leader to serve, when nothing else is said.
constexpr std::chrono::milliseconds transfer_timeout{10'000};
constexpr std::chrono::milliseconds poll_interval{20};
/// For another node to lead and to vote, when nothing else is said.
constexpr std::chrono::milliseconds drain_timeout{30'000};
/// For a copy, when nothing else is said.
constexpr std::chrono::minutes join_timeout{10};
constexpr std::chrono::milliseconds join_poll_interval{200};

struct LookOptions {};
struct JoinOptions {
    std::uint64_t node = 0;
    std::string address;
    bool waits = false;
};
struct RemoveOptions {
    std::uint64_t node = 0;
};
struct DrainOptions {
    std::uint64_t node = 0;
};
struct TransferOptions {
    std::uint64_t to = 0;
};

ExitCode print_cluster_status(Session& session, const LookOptions&) {
    const auto status = look_at_cluster(session);
    const auto health = health_of(status);
    if (session.is_json()) {
        print_json(session, to_json(status, health));
        return health.code;
    }
    print_groups(session.out(), status);
    session.out() << '\n' << health.sentence << '\n';
    return health.code;
}

ExitCode print_cluster_nodes(Session& session, const LookOptions&) {
    const auto status = look_at_cluster(session);
    if (session.is_json()) {
        print_json(session, nodes_to_json(status));
    } else if (status.clustered) {
        print_nodes(session.out(), status);
    } else {
        session.out() << health_of(status).sentence << '\n';
    }
    return ExitCode::ok;
}

[[noreturn]] void refuse(Errc code, const std::string& text) {
    throw ClientError(static_cast<std::uint16_t>(code), std::string(name_of(code)), text);
}

struct Polling {
    std::chrono::milliseconds interval;
    std::chrono::milliseconds time_max;
    std::string otherwise;  ///< what is said when the time is over
};

/// What `look` gives; nothing where the node that it asked begins anew.
template <class Look>
auto look_once(Look look) -> decltype(look()) {
    try {
        return look();
    } catch (const ClientError& error) {
        if (error.code() != static_cast<std::uint16_t>(Errc::connection_lost)) {
            throw;
        }
        return {};
    }
}

/// What `look` gives once that is something. Throws ClientError, timed_out.
template <class Look>
auto poll(const Polling& polling, Look look) {
    const auto end = Clock::now() + polling.time_max;
    while (Clock::now() < end) {
        if (auto found = look_once(look)) {
            return found;
        }
        std::this_thread::sleep_for(polling.interval);
    }
    refuse(Errc::timed_out, polling.otherwise);
}

/// The connection may end with the lead before the answer has come: whoever asks looks for what has
/// become of it.
void ask_and_look(const std::function<void()>& ask) {
    (void)look_once([&ask] {
        ask();
        return true;
    });
}

void ask_for_transfer(const Session& session, const ClusterStatus& leader, std::uint64_t to) {
    ClientOptions options;
    const auto native = native_of(leader, leader.node_id);
    options.brokers = native.empty() ? session.globals().brokers : native;
    options.client_name = "millrace-cli";
    options.request_timeout = session.timeout_or(transfer_timeout);
    options.connect_timeout = std::min(options.connect_timeout, options.request_timeout);
    ask_and_look([&] { Client(options).admin().transfer_lead(to); });
}

bool is_leader(const Session& session, const std::string& brokers, std::uint64_t node) {
    try {
        const auto status = ask_cluster(session, {.brokers = brokers});
        return status.node_id == node && status.leads;
    } catch (const ClientError&) {
        return false;  // it is asked again; what ends that is the time
    }
}

/// One try more, whose end is for the caller to see.
void ask_again_for_transfer(const Session& session, const ClusterStatus& leader, std::uint64_t to) {
    try {
        ask_for_transfer(session, leader, to);
    } catch (const ClientError&) {
        return;  // it is not up to date any more, or did not take over in time
    }
}

/// Returns when the node serves.
void wait_for_leader(const Session& session,
                     const ClusterStatus& before,
                     const TransferOptions& options) {
    const auto native = native_of(before, options.to);
    const auto brokers = native.empty() ? session.globals().brokers : native;
    poll({.interval = poll_interval,
          .time_max = session.timeout_or(transfer_timeout),
          .otherwise = "node " + std::to_string(options.to) +
                       " does not lead; millrace cluster status says who does"},
         [&] {
             if (is_leader(session, brokers, options.to)) {
                 return true;
             }
             // A third one may have been elected in between.
             const auto now = look_at_cluster(session);
             if (now.leads && now.leader != options.to) {
                 ask_again_for_transfer(session, now, options.to);
             }
             return false;
         });
}

ExitCode transfer_lead(Session& session, const TransferOptions& options) {
    const auto before = look_at_cluster(session);
    if (before.clustered && !before.leads) {
        refuse(Errc::not_leader, health_of(before).sentence + ": there is no lead to hand over");
    }
    const auto began = Clock::now();
    const bool is_there = before.leads && before.leader == options.to;
    ask_for_transfer(session, before, options.to);
    wait_for_leader(session, before, options);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
    if (session.is_json()) {
        print_json(session,
                   {{"leader", options.to}, {"from", before.leader}, {"took_ms", took.count()}});
    } else if (is_there) {
        session.out() << "node " << options.to << " leads already\n";
    } else {
        session.out() << "node " << options.to << " leads, " << format_duration(took)
                      << " after node " << before.leader << " began to hand over\n";
    }
    return ExitCode::ok;
}

/// What it is once it has what there is, and is what it is to stay.
std::optional<ClusterMember> outcome_of_join(const ClusterStatus& status, std::uint64_t node) {
    const auto* const found = find_node(status, node);
    const bool has_all = is_up_to_date(lag_of(status, node));
    if (found == nullptr || !(found->voter || (stands_by(*found) && has_all))) {
        return std::nullopt;
    }
    return found->member;
}

ClusterMember wait_for_join(Session& session, std::uint64_t node) {
    return *poll(
        {.interval = join_poll_interval,
         .time_max = session.timeout_or(join_timeout),
         .otherwise = "node " + std::to_string(node) +
                      " is a member and does not vote yet; millrace cluster nodes says when it "
                      "does"},
        [&] { return outcome_of_join(look_at_cluster(session), node); });
}

ExitCode join_node(Session& session, const JoinOptions& options) {
    session.client().admin().join_node(options.node, options.address);
    const auto member = options.waits ? wait_for_join(session, options.node) : ClusterMember::spare;
    const bool votes = member == ClusterMember::voter;
    if (session.is_json()) {
        print_json(session, {{"node", options.node}, {"voter", votes}});
    } else if (options.waits) {
        session.out() << "node " << options.node << (votes ? " votes\n" : " stands by\n");
    } else {
        session.out() << "node " << options.node
                      << " joins; millrace cluster nodes says when it votes\n";
    }
    return ExitCode::ok;
}

/// Returns when whoever leads counts it no more, which the node itself may never hear.
void wait_for_removal(const Session& session, const std::string& others, std::uint64_t node) {
    poll({.interval = join_poll_interval,
          .time_max = session.timeout_or(drain_timeout),
          .otherwise = "node " + std::to_string(node) +
                       " leaves and is not out yet; millrace cluster status says how far the "
                       "others are"},
         [&] {
             const auto status = look_at_cluster(session, others);
             return status.leads && find_node(status, node) == nullptr;
         });
}

ExitCode remove_node(Session& session, const RemoveOptions& options) {
    const auto others = natives_besides(look_at_cluster(session), options.node);
    ask_and_look([&] { session.client().admin().remove_node(options.node); });
    wait_for_removal(session, others.empty() ? session.globals().brokers : others, options.node);
    if (session.is_json()) {
        print_json(session, {{"node", options.node}, {"removed", true}});
    } else {
        session.out() << "node " << options.node << " is out; it may be stopped\n";
    }
    return ExitCode::ok;
}

/// What there is to see of a node that is to be drained; nothing while something is still to come.
std::optional<ClusterNode> outcome_of_drain(const ClusterStatus& status, std::uint64_t node) {
    const auto* const found = find_node(status, node);
    const bool is_there = status.leads && status.leader != node && found != nullptr &&
                          found->drained && found->voter == found->to_vote;
    return is_there ? std::optional(*found) : std::nullopt;
}

ClusterNode wait_for_drain(Session& session, std::uint64_t node) {
    return *poll(
        {.interval = join_poll_interval,
         .time_max = session.timeout_or(drain_timeout),
         .otherwise = "node " + std::to_string(node) +
                      " has not handed on what it does; millrace cluster status says what is "
                      "missing"},
        [&] { return outcome_of_drain(look_at_cluster(session), node); });
}

ExitCode drain_node(Session& session, const DrainOptions& options) {
    ask_and_look([&] { session.client().admin().drain_node(options.node, true); });
    const auto node = wait_for_drain(session, options.node);
    if (session.is_json()) {
        print_json(session, {{"node", options.node}, {"drained", true}, {"voter", node.voter}});
    } else {
        session.out() << "node " << options.node << " is drained: it leads nothing"
                      << (node.voter ? ", and votes, as no other stands by to take its place\n"
                                     : " and does not vote\n");
    }
    return ExitCode::ok;
}

ExitCode undrain_node(Session& session, const DrainOptions& options) {
    session.client().admin().drain_node(options.node, false);
    if (session.is_json()) {
        print_json(session, {{"node", options.node}, {"drained", false}});
    } else {
        session.out() << "node " << options.node << " may lead and vote again\n";
    }
    return ExitCode::ok;
}

void add_drain_commands(Registry& registry) {
    const auto add = [&registry](CommandText text, auto run) {
        auto options = std::make_shared<DrainOptions>();
        add_command(registry, std::move(text), options, run)
            .add_option("--node", options->node, "Its node_id")
            ->required()
            ->type_name("NODE");
    };
    add({"drain",
         "Let a node lead no more, nor vote where another can; before work on it, or its removal",
         "millrace cluster drain --node 1"},
        drain_node);
    add({"undrain", "Let a node lead and vote again", "millrace cluster undrain --node 1"},
        undrain_node);
}

/// Who belongs to the cluster.
void add_member_commands(Registry& registry) {
    auto join = std::make_shared<JoinOptions>();
    auto& joins =
        add_command(registry,
                    {"join",
                     "Let a node join that was started empty: it copies what there is, and votes",
                     "millrace cluster join --node 4 --address 10.0.0.4:7131\n"
                     "millrace cluster join --node 4 --address 10.0.0.4:7131 --wait --timeout 10m"},
                    join,
                    join_node);
    joins.add_option("--node", join->node, "Its node_id")->required()->type_name("NODE");
    joins.add_option("--address", join->address, "Where it hears the others, as in cluster_nodes")
        ->required()
        ->type_name("ADDRESS:PORT");
    joins.add_flag("--wait", join->waits, "Until it votes, or stands by where enough others do");
    auto remove = std::make_shared<RemoveOptions>();
    add_command(registry,
                {"remove",
                 "Take a node out of the cluster: it counts and is sent nothing any more",
                 "millrace cluster remove --node 3"},
                remove,
                remove_node)
        .add_option("--node", remove->node, "Who goes")
        ->required()
        ->type_name("NODE");
}

}  // namespace

void add_cluster_commands(Registry& registry) {
    CLI::App& family = add_family(
        registry.app,
        {"cluster",
         "Look at the nodes of a cluster, hand the lead on, drain nodes, let them join and leave",
         ""});
    Registry inner{family, registry.chosen};
    add_command(
        inner,
        {"status",
         "Show who leads and how far each replica is; ends with 6 when a replica is missing or "
         "behind, with 5 when no node leads or a majority is missing",
         "millrace cluster status\n"
         "millrace --brokers a:7117,b:7117,c:7117 cluster status --output json | jq .health\n"
         "until millrace cluster status; do sleep 1; done"},
        std::make_shared<LookOptions>(),
        print_cluster_status);
    add_command(
        inner,
        {"nodes",
         "The nodes and where they are reached",
         "millrace cluster nodes\n"
         "millrace cluster nodes --output json | jq -r '.[] | select(.role==\"leads\").native'"},
        std::make_shared<LookOptions>(),
        print_cluster_nodes);
    auto transfer = std::make_shared<TransferOptions>();
    add_command(inner,
                {"transfer",
                 "Hand the lead to another node, and wait until that serves",
                 "millrace cluster transfer --to 2\n"
                 "millrace cluster transfer --to 3 --timeout 5s"},
                transfer,
                transfer_lead)
        .add_option("--to", transfer->to, "The node that is to lead")
        ->required()
        ->type_name("NODE");
    add_member_commands(inner);
    add_drain_commands(inner);
}

}  // namespace millrace::cli
