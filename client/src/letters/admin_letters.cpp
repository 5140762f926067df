#include <algorithm>
#include <functional>
#include <map>

#include "client/src/admin_impl.hpp"
#include "client/wire/same_members.hpp"
#include "client/wire/schema/subscriptions_generated.h"
#include "millrace/admin.hpp"

namespace millrace {
namespace {

using wire::Api;

Letter from_wire(const wire::LetterT& letter) {
    Letter made;
    wire::copy_letter_facts(letter, made);
    made.partition = letter.partition;
    made.offset = letter.offset;
    for (const auto& action : letter.actions) {
        wire::copy_letter_action(*action, made.actions.emplace_back());
    }
    return made;
}

std::optional<Record> record_of(const Letter& letter, std::span<const std::byte> bytes) {
    if (bytes.empty()) {
        return std::nullopt;
    }
    static const auto no_names = std::make_shared<const client::PartitionNames>();
    const auto memory = std::make_shared<client::RecordMemory>(
        std::vector<std::byte>(bytes.begin(), bytes.end()), no_names);
    const auto parsed = wire::parse_plain_record(memory->bytes());
    if (!parsed) {
        return std::nullopt;
    }
    auto record = client::to_record(parsed.value(), {}, memory);
    record.topic = memory->add_text(letter.topic);
    record.partition = letter.partition;
    record.offset = letter.offset;
    record.append_time_us = letter.append_time_us;
    return record;
}

wire::LetterChangeRequestT change_request(wire::LetterChangeKind kind,
                                          const LetterSelection& selection,
                                          const LetterMend& mend) {
    wire::LetterChangeRequestT request;
    request.kind = kind;
    wire::copy_letter_query(selection.query, request);
    request.ids = selection.ids;
    request.by = selection.by;
    request.limit = selection.limit;
    request.transform = mend.transform;
    request.has_value = mend.value.has_value();
    if (mend.value) {
        request.value.assign(mend.value->begin(), mend.value->end());
    }
    return request;
}

wire::LetterListRequestT list_request(const LetterQuery& query) {
    wire::LetterListRequestT request;
    wire::copy_letter_query(query, request);
    return request;
}

void add_group(LetterGroup& total, const wire::LetterGroupT& part) {
    if (total.count == 0) {
        total = {.cause = static_cast<Cause>(part.cause),
                 .name = part.name,
                 .first_failure_us = part.first_failure_us,
                 .last_failure_us = part.last_failure_us,
                 .example_id = part.example_id,
                 .example = part.example};
    }
    total.count += part.count;
    total.first_failure_us = std::min(total.first_failure_us, part.first_failure_us);
    total.last_failure_us = std::max(total.last_failure_us, part.last_failure_us);
}

using Groups = std::map<std::pair<wire::Cause, std::string>, LetterGroup>;

void add_groups(Groups& total, const std::vector<std::unique_ptr<wire::LetterGroupT>>& parts) {
    for (const auto& part : parts) {
        add_group(total[{part->cause, part->name}], *part);
    }
}

std::vector<LetterGroup> by_count(Groups groups) {
    std::vector<LetterGroup> all;
    for (auto& one : groups) {
        all.push_back(std::move(one.second));
    }
    std::ranges::stable_sort(all, std::greater{}, &LetterGroup::count);
    return all;
}

struct Grouping {
    LetterGroupBy by = LetterGroupBy::error;
    std::string transform;
};

/// The answers to all steps of a query.
void visit_groups(client::Core& core,
                  const LetterQuery& query,
                  const Grouping& grouping,
                  const std::function<void(const wire::LetterGroupAnswerT&)>& visit) {
    std::vector<std::uint64_t> after;
    do {
        wire::LetterGroupRequestT request;
        request.query = std::make_unique<wire::LetterListRequestT>(list_request(query));
        request.by = static_cast<wire::LetterGroupBy>(grouping.by);
        request.transform = grouping.transform;
        request.after_ids = after;
        const auto answer = core.call_again<wire::LetterGroupAnswer>(Api::letter_group, request);
        visit(answer);
        after = answer.after_ids;
    } while (!after.empty());
}

std::uint64_t change_letters(client::Core& core, wire::LetterChangeRequestT request) {
    // A million letters change in one request.
    constexpr auto timeout = std::chrono::minutes(15);
    return core
        .call<wire::LetterChangeAnswer>(Api::letter_change, std::move(request), nullptr, timeout)
        .changed;
}

}  // namespace

std::vector<Letter> Admin::list_letters(const LetterQuery& query) {
    std::vector<Letter> letters;
    for (auto after = query.after_id; letters.size() < query.limit;) {
        auto request = list_request(query);
        request.after_id = after;
        request.limit = query.limit - static_cast<std::uint32_t>(letters.size());
        const auto answer =
            impl_->core->call_again<wire::LetterListAnswer>(Api::letter_list, request);
        for (const auto& letter : answer.letters) {
            letters.push_back(from_wire(*letter));
        }
        if (answer.next_after_id == 0) {
            break;
        }
        after = answer.next_after_id;
    }
    return letters;
}

std::vector<LetterGroup> Admin::group_letters(const LetterQuery& query, LetterGroupBy by) {
    Groups groups;
    visit_groups(*impl_->core, query, {by, {}}, [&groups](const wire::LetterGroupAnswerT& answer) {
        add_groups(groups, answer.groups);
    });
    return by_count(std::move(groups));
}

LetterTrial Admin::try_transform(const LetterQuery& query, const std::string& transform) {
    LetterTrial trial;
    Groups failures;
    visit_groups(*impl_->core,
                 query,
                 {LetterGroupBy::cause, transform},
                 [&](const wire::LetterGroupAnswerT& answer) {
                     trial.mended += answer.mended;
                     add_groups(failures, answer.refusals);
                 });
    trial.failures = by_count(std::move(failures));
    return trial;
}

Letter Admin::show_letter(const std::string& subscription, std::uint64_t id) {
    wire::LetterShowRequestT request;
    request.subscription = subscription;
    request.id = id;
    std::vector<std::byte> raw;
    const auto answer =
        impl_->core->call_again<wire::LetterShowAnswer>(Api::letter_show, request, &raw);
    auto letter = from_wire(client::require(answer.letter, "letter"));
    const auto rest = std::span<const std::byte>(raw);
    const auto record_bytes = std::min<std::size_t>(answer.record_bytes, rest.size());
    const auto edited_bytes =
        std::min<std::size_t>(answer.edited_bytes, rest.size() - record_bytes);
    letter.record = record_of(letter, rest.first(record_bytes));
    letter.edited = record_of(letter, rest.subspan(record_bytes, edited_bytes));
    return letter;
}

std::uint64_t Admin::redrive_letters(const LetterSelection& selection, const LetterMend& mend) {
    return change_letters(*impl_->core,
                          change_request(wire::LetterChangeKind::redrive, selection, mend));
}

std::uint64_t Admin::edit_letters(const LetterSelection& selection, const LetterMend& mend) {
    return change_letters(*impl_->core,
                          change_request(wire::LetterChangeKind::edit, selection, mend));
}

std::uint64_t Admin::discard_letters(const LetterSelection& selection, const std::string& reason) {
    auto request = change_request(wire::LetterChangeKind::discard, selection, {});
    request.reason = reason;
    return change_letters(*impl_->core, std::move(request));
}

}  // namespace millrace
