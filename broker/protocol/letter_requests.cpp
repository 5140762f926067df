#include <algorithm>
#include <array>
#include <limits>

#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/letters/letter_groups.hpp"
#include "broker/delivery/letters/letter_shards.hpp"
#include "broker/delivery/letters/letter_sweep.hpp"
#include "broker/protocol/session.hpp"
#include "client/wire/same_members.hpp"
#include "client/wire/schema/subscriptions_generated.h"

namespace millrace::broker::protocol {
namespace {

constexpr std::uint32_t list_max = 10'000;

std::unique_ptr<wire::LetterT> letter_to_wire(const delivery::Letter& letter) {
    auto made = std::make_unique<wire::LetterT>();
    wire::copy_letter_facts(letter, *made);
    made->partition = letter.partition_index;
    made->partition_id = letter.partition.value;
    made->offset = letter.shown_offset().value;
    for (const auto& action : letter.actions) {
        auto one = std::make_unique<wire::LetterActionT>();
        wire::copy_letter_action(action, *one);
        made->actions.push_back(std::move(one));
    }
    return made;
}

wire::LetterListAnswerT merge(
    const std::vector<std::shared_ptr<Result<delivery::LetterPage>>>& shards, std::uint32_t limit) {
    std::vector<delivery::LetterPage> pages;
    pages.reserve(shards.size());
    for (const auto& part : shards) {
        pages.push_back(std::move(part->value()));
    }
    const auto list = delivery::merge_pages(std::move(pages), limit);
    wire::LetterListAnswerT answer;
    for (const auto& letter : list.letters) {
        answer.letters.push_back(letter_to_wire(letter));
    }
    answer.next_after_id = list.next_after_id;
    return answer;
}

delivery::LetterQuery query_of(const wire::LetterListRequestT& message) {
    delivery::LetterQuery query;
    wire::copy_letter_query(message, query);
    query.after_id = message.after_id;
    query.limit = std::clamp(message.limit, 1U, list_max);
    return query;
}

void list_letters(const Request& request) {
    const auto parsed = wire::parse_message<wire::LetterListRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    const auto query = query_of(parsed.value());
    using Part = std::shared_ptr<Result<delivery::LetterPage>>;
    gather(
        request.session->table(),
        request.session->shard_id(),
        [query](const ShardServices& services) {
            return std::make_shared<Result<delivery::LetterPage>>(
                services.delivery->letters().list(query));
        },
        [session = request.session, header = request.header, limit = query.limit](
            const std::vector<Part>& shards) {
            const auto failed = std::ranges::find_if(shards, [](const auto& one) { return !*one; });
            if (failed != shards.end()) {
                session->refuse(header, (*failed)->error());
                return;
            }
            session->answer(header, merge(shards, limit));
        });
}

using GroupPart = std::shared_ptr<Result<delivery::LetterGroups>>;
constexpr auto shard_is_done = std::numeric_limits<std::uint64_t>::max();

std::unique_ptr<wire::LetterGroupT> letter_group_to_wire(delivery::Cause cause,
                                                         const std::string& name,
                                                         const delivery::LetterGroup& group) {
    auto one = std::make_unique<wire::LetterGroupT>();
    one->cause = static_cast<wire::Cause>(cause);
    one->name = name;
    one->count = group.count;
    one->first_failure_us = group.first_failure_us;
    one->last_failure_us = group.last_failure_us;
    one->example_id = group.example_id;
    one->example = group.example;
    return one;
}

wire::LetterGroupAnswerT join(const std::vector<GroupPart>& shards) {
    wire::LetterGroupAnswerT answer;
    bool is_end = true;
    for (const auto& part : shards) {
        const auto& page = part->value();
        is_end &= page.is_end;
        answer.after_ids.push_back(page.is_end ? shard_is_done : page.examined_upto);
        for (const auto& [name, group] : page.groups) {
            answer.groups.push_back(letter_group_to_wire(name.first, name.second, group));
        }
        answer.mended += page.mended;
        for (const auto& [name, group] : page.refusals) {
            answer.refusals.push_back(letter_group_to_wire(delivery::Cause::none, name, group));
        }
    }
    if (is_end) {
        answer.after_ids.clear();
    }
    return answer;
}

delivery::LetterGroups nothing_more() {
    delivery::LetterGroups groups;
    groups.is_end = true;
    return groups;
}

void group(const Request& request) {
    const auto parsed = wire::parse_message<wire::LetterGroupRequest>(request.table);
    if (!parsed || !parsed.value().query || parsed.value().by > wire::LetterGroupBy::MAX) {
        request.refuse(parsed ? fail(Errc::invalid_argument, "a query and what to group by")
                              : parsed.error());
        return;
    }
    const auto& message = parsed.value();
    gather(
        request.session->table(),
        request.session->shard_id(),
        [query = query_of(*message.query),
         grouping = delivery::LetterGrouping{.by = static_cast<delivery::LetterGroupBy>(message.by),
                                             .transform = message.transform},
         after = message.after_ids](const ShardServices& services) {
            auto step = query;
            const auto shard = services.shard->id().value;
            step.after_id = shard < after.size() ? after[shard] : 0;
            return std::make_shared<Result<delivery::LetterGroups>>(
                step.after_id == shard_is_done
                    ? Result<delivery::LetterGroups>(nothing_more())
                    : services.delivery->letters().group(step, grouping));
        },
        [session = request.session, header = request.header](const std::vector<GroupPart>& shards) {
            const auto failed = std::ranges::find_if(shards, [](const auto& one) { return !*one; });
            if (failed != shards.end()) {
                session->refuse(header, (*failed)->error());
                return;
            }
            session->answer(header, join(shards));
        });
}

void show_letter(const Request& request) {
    const auto parsed = wire::parse_message<wire::LetterShowRequest>(request.table);
    const auto& session = request.session;
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    const auto home = delivery::shard_of_letter(parsed.value().id, session->table().shard_count());
    if (!home) {
        request.refuse(fail(Errc::unknown_letter,
                            "there is no dead letter " + std::to_string(parsed.value().id)));
        return;
    }
    call_on(
        session->table(),
        session->shard_id(),
        *home,
        [message = parsed.value()](const ShardServices& services) {
            return std::make_shared<Result<delivery::Letter>>(
                services.delivery->letters().show(message.subscription, message.id));
        },
        [session, header = request.header](const std::shared_ptr<Result<delivery::Letter>>& found) {
            if (!*found) {
                session->refuse(header, found->error());
                return;
            }
            wire::LetterShowAnswerT answer;
            answer.letter = letter_to_wire(found->value());
            answer.record_bytes = static_cast<std::uint32_t>(found->value().record.size());
            answer.edited_bytes = static_cast<std::uint32_t>(found->value().edited.size());
            const std::array<std::span<const std::byte>, 2> raw{found->value().record,
                                                                found->value().edited};
            session->answer(header, answer, raw);
        });
}

/// Letters change on every shard that has some; the counts add up.
struct ChangeJoin {
    std::shared_ptr<Session> session;
    wire::FrameHeader header;
    std::uint64_t changed = 0;
    std::optional<Error> error;
    std::size_t shards_left = 0;

    void add(const Result<std::uint64_t>& part) {
        if (part) {
            changed += part.value();
        } else {
            error = part.error();
        }
        if (--shards_left > 0) {
            return;
        }
        if (error) {
            session->refuse(header, *error);
            return;
        }
        wire::LetterChangeAnswerT answer;
        answer.changed = changed;
        session->answer(header, answer);
    }
};

void change_everywhere(const Request& request,
                       const delivery::LetterSelection& selection,
                       const delivery::LetterEdit& edit) {
    const auto& session = request.session;
    auto join = std::make_shared<ChangeJoin>();
    join->session = session;
    join->header = request.header;
    join->shards_left = session->table().shard_count();
    for (ShardId shard{0}; shard.value < session->table().shard_count(); ++shard) {
        auto part = delivery::part_of_selection(selection, shard);
        if (!part) {
            join->add(std::uint64_t{0});
            continue;
        }
        start_on<Result<std::uint64_t>>(
            session->table(),
            session->shard_id(),
            shard,
            [part = std::move(*part), edit](const ShardServices& services, const auto& done) {
                services.delivery->letters().change(part, edit, done);
            },
            [join](const Result<std::uint64_t>& changed) { join->add(changed); });
    }
}

void change(const Request& request) {
    const auto parsed = wire::parse_message<wire::LetterChangeRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    const auto& message = parsed.value();
    if (message.kind == wire::LetterChangeKind::discard && message.reason.empty()) {
        request.refuse(fail(Errc::invalid_argument, "a discard needs a reason"));
        return;
    }
    if (const auto fits = delivery::check_letter_ids(message.ids.size()); !fits) {
        request.refuse(fits.error());
        return;
    }
    if (message.has_value && message.ids.size() != 1) {
        request.refuse(fail(Errc::invalid_argument, "a value is for one letter: give its id"));
        return;
    }
    delivery::LetterSelection selection{
        .query = {}, .ids = message.ids, .by = message.by, .reason = message.reason};
    wire::copy_letter_query(message, selection.query);
    if (message.limit > 0) {
        selection.limit = message.limit;
    }
    delivery::LetterEdit edit{.kind = static_cast<delivery::LetterEdit::Kind>(message.kind),
                              .transform = message.transform,
                              .value = std::nullopt};
    if (message.has_value) {
        edit.value = std::string(message.value.begin(), message.value.end());
    }
    change_everywhere(request, selection, edit);
}

}  // namespace

void handle_letters(const Request& request) {
    switch (static_cast<wire::Api>(request.header.api)) {
        case wire::Api::letter_list:
            return list_letters(request);
        case wire::Api::letter_show:
            return show_letter(request);
        case wire::Api::letter_group:
            return group(request);
        default:
            return change(request);
    }
}

}  // namespace millrace::broker::protocol
