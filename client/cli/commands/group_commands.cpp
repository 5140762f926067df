#include <algorithm>
#include <ostream>
#include <tuple>

#include "client/cli/app/options.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {
namespace {

struct GroupListOptions {};
struct DescribeOptions {
    std::string group;
};
struct SeekOptions {
    std::string group;
    std::vector<std::string> topics;
    std::string to;
};

std::uint64_t lag_of(const CommittedOffset& committed) {
    return committed.next_offset - std::min(committed.offset, committed.next_offset);
}

ExitCode list_groups(Session& session, const GroupListOptions&) {
    const auto groups = session.admin().list_groups();
    if (session.is_json()) {
        print_json_list(session, groups);
        return ExitCode::ok;
    }
    Table table({{"GROUP"},
                 {"MEMBERS", Align::right},
                 {"PARTITIONS", Align::right},
                 {"LAG", Align::right}});
    for (const GroupDescription& group : groups) {
        std::uint64_t lag = 0;
        for (const CommittedOffset& committed : group.offsets) {
            lag += lag_of(committed);
        }
        table.append({group.name,
                      format_count(group.members.size()),
                      format_count(group.offsets.size()),
                      format_count(lag)});
    }
    table.print(session.out());
    return ExitCode::ok;
}

std::string owner_of(const GroupDescription& group, const CommittedOffset& committed) {
    const std::pair<std::string, std::uint32_t> wanted{committed.topic, committed.partition};
    for (const GroupMember& member : group.members) {
        const auto& held = member.partitions;
        if (std::find(held.begin(), held.end(), wanted) != held.end()) {
            return member.client_name + " " + member.peer;
        }
    }
    return "-";
}

void print_offsets(std::ostream& out,
                   std::vector<CommittedOffset> offsets,
                   const GroupDescription& group) {
    std::sort(offsets.begin(), offsets.end(), [](const auto& left, const auto& right) {
        return std::tie(left.topic, left.partition) < std::tie(right.topic, right.partition);
    });
    Table table({{"TOPIC"},
                 {"PARTITION", Align::right},
                 {"COMMITTED", Align::right},
                 {"NEXT", Align::right},
                 {"LAG", Align::right},
                 {"MEMBER"}});
    for (const CommittedOffset& committed : offsets) {
        table.append({committed.topic,
                      std::to_string(committed.partition),
                      std::to_string(committed.offset),
                      std::to_string(committed.next_offset),
                      format_count(lag_of(committed)),
                      owner_of(group, committed)});
    }
    table.print(out);
}

ExitCode describe_group(Session& session, const DescribeOptions& options) {
    const GroupDescription group = session.admin().describe_group(options.group);
    if (session.is_json()) {
        print_json(session, to_json(group));
        return ExitCode::ok;
    }
    Facts facts;
    facts.append("group", group.name);
    facts.append("generation", std::to_string(group.generation));
    for (const GroupMember& member : group.members) {
        facts.append("member",
                     member.client_name + " " + member.peer + ", " +
                         format_count(member.partitions.size()) + " partitions (" +
                         member.member_id + ")");
    }
    facts.print(session.out());
    session.out() << '\n';
    print_offsets(session.out(), group.offsets, group);
    return ExitCode::ok;
}

/// The moved offsets with the ends of their partitions, which only a description has.
std::vector<CommittedOffset> with_ends(std::vector<CommittedOffset> moved,
                                       const GroupDescription& group) {
    for (CommittedOffset& committed : moved) {
        const auto known =
            std::ranges::find_if(group.offsets, [&committed](const CommittedOffset& one) {
                return one.topic == committed.topic && one.partition == committed.partition;
            });
        if (known != group.offsets.end()) {
            committed.next_offset = known->next_offset;
        }
    }
    return moved;
}

ExitCode seek_group(Session& session, const SeekOptions& options) {
    const StartPosition to = parse_start(options.to, "--to");
    auto moved = session.admin().seek_group(options.group, options.topics, to);
    const GroupDescription group = session.admin().describe_group(options.group);
    moved = with_ends(std::move(moved), group);
    if (session.is_json()) {
        print_json_list(session, moved);
        return ExitCode::ok;
    }
    print_offsets(session.out(), std::move(moved), group);
    return ExitCode::ok;
}

}  // namespace

void add_group_commands(Registry& registry) {
    CLI::App& family = add_family(registry.app, {"group", "Look at and move consumer groups", ""});
    Registry inner{family, registry.chosen};
    add_command(inner,
                {"ls", "List groups", "millrace group ls"},
                std::make_shared<GroupListOptions>(),
                list_groups)
        .alias("list");

    auto describe = std::make_shared<DescribeOptions>();
    add_command(inner,
                {"describe",
                 "Show members, committed offsets and lag",
                 "millrace group describe reporting"},
                describe,
                describe_group)
        .add_option("GROUP", describe->group, "The group")
        ->required();

    auto seek = std::make_shared<SeekOptions>();
    CLI::App& command = add_command(inner,
                                    {"seek",
                                     "Set where a group without members goes on",
                                     "millrace group seek reporting --topic 'plant1.mes.>' --to "
                                     "@2026-11-20T06:00\n"
                                     "millrace group seek reporting --topic a.b --to beginning"},
                                    seek,
                                    seek_group);
    command.add_option("GROUP", seek->group, "The group")->required();
    add_topics(command, seek->topics, "Topics or patterns")->required();
    command.add_option("--to", seek->to, "beginning, end or @TIME")
        ->required()
        ->type_name("POSITION");
}

}  // namespace millrace::cli
