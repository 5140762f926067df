#include "broker/gateways/http/admin/letter_routes.hpp"

#include <algorithm>

#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/jobs/jobs.hpp"
#include "broker/delivery/letters/letter_shards.hpp"
#include "broker/gateways/http/admin/job_json.hpp"
#include "broker/gateways/http/admin/letter_json.hpp"
#include "broker/gateways/http/admin/members.hpp"
#include "broker/gateways/http/records/record_text.hpp"
#include "storage/base/text/base64.hpp"

namespace millrace::broker::http {
namespace {

using delivery::LetterEdit;
using delivery::LetterSelection;

constexpr std::uint64_t list_max = 1'000;

void list_letters(const ShardGate& gate, const Call& call) {
    const auto query = letter_query_from(call);
    gate.gather<delivery::LetterPage>(
        [query](const ShardLink& link) { return link.delivery->letters().list(query); },
        [call, limit = query.limit](Result<std::vector<delivery::LetterPage>> pages) {
            if (!pages) {
                call.refuse(pages.error());
                return;
            }
            const auto found = delivery::merge_pages(std::move(pages).value(), limit);
            Json letters = Json::array();
            std::ranges::transform(found.letters, std::back_inserter(letters), [](const auto& one) {
                return to_json(one);
            });
            const auto next = found.next_after_id;
            call.answer({{"letters", std::move(letters)},
                         {"next_after_id", next == 0 ? Json() : Json(next)}});
        });
}

/// Shards look at some letters in a step; this goes on until all have looked at all.
class Grouping : public std::enable_shared_from_this<Grouping> {
  public:
    Grouping(const ShardGate& gate, const Call& call)
        : gate_(gate),
          call_(call),
          query_(letter_query_from(call)),
          by_(find_named(letter_group_names, call.target.param("by").value_or("cause"))
                  .value_or(delivery::LetterGroupBy::cause)) {}

    void step() {
        gate_.gather<delivery::LetterGroups>(
            [query = query_, by = by_, after = after_](
                const ShardLink& link) -> Result<delivery::LetterGroups> {
                auto part = query;
                const auto found = after.find(link.shard->id());
                if (found != after.end() && !found->second) {
                    return delivery::LetterGroups{.groups = {}, .examined_upto = 0, .is_end = true};
                }
                part.after_id = found == after.end() ? 0 : *found->second;
                return link.delivery->letters().group(part, {.by = by, .transform = {}});
            },
            [self = shared_from_this()](Result<std::vector<delivery::LetterGroups>> parts) {
                self->take(std::move(parts));
            });
    }

  private:
    void take(Result<std::vector<delivery::LetterGroups>> parts) {
        if (!parts) {
            call_.refuse(parts.error());
            return;
        }
        bool is_end = true;
        for (ShardId shard{0}; shard.value < parts.value().size(); ++shard) {
            auto& part = parts.value()[shard.value];
            is_end = is_end && part.is_end;
            after_[shard] = part.is_end ? std::nullopt : std::optional(part.examined_upto);
            found_.push_back(std::move(part));
        }
        if (is_end) {
            call_.answer({{"groups", groups_json(found_)}});
            return;
        }
        step();
    }

    const ShardGate& gate_;
    Call call_;
    delivery::LetterQuery query_;
    delivery::LetterGroupBy by_;
    std::map<ShardId, std::optional<std::uint64_t>> after_;  ///< nothing: that shard is done
    std::vector<delivery::LetterGroups> found_;
};

void group(const ShardGate& gate, const Call& call) {
    std::make_shared<Grouping>(gate, call)->step();
}

Result<std::uint64_t> letter_id(const Call& call) {
    if (const auto id = call.path_number("id")) {
        return *id;
    }
    return fail(Errc::unknown_letter, "there is no dead letter \"" + call.path_param("id") + "\"");
}

void show_letter(const ShardGate& gate, const Call& call) {
    const auto id = letter_id(call);
    const auto home = id ? delivery::shard_of_letter(id.value(), gate.shard_count()) : std::nullopt;
    if (!home) {
        call.refuse(fail(Errc::unknown_letter, "there is no dead letter " + call.path_param("id")));
        return;
    }
    gate.ask<delivery::Letter>(
        *home,
        [name = call.path_param("subscription"), id = id.value()](const ShardLink& link,
                                                                  const auto& done) {
            done(link.delivery->letters().show(name, id));
        },
        [call](const Result<delivery::Letter>& letter) {
            letter ? call.answer(to_json(letter.value())) : call.refuse(letter.error());
        });
}

void change(const ShardGate& gate,
            const LetterSelection& selection,
            const LetterEdit& edit,
            const Call& call) {
    gate.gather_started<std::uint64_t>(
        [selection, edit](const ShardLink& link, const auto& done) {
            const auto part = delivery::part_of_selection(selection, link.shard->id());
            if (!part) {
                done(std::uint64_t{0});
                return;
            }
            link.delivery->letters().change(*part, edit, done);
        },
        [call](const Result<std::vector<std::uint64_t>>& counts) {
            if (!counts) {
                call.refuse(counts.error());
                return;
            }
            std::uint64_t changed = 0;
            for (const auto count : counts.value()) {
                changed += count;
            }
            call.answer({{"changed", changed}});
        });
}

/// Ids are numbers; the router knows lists of texts alone.
Result<std::vector<std::uint64_t>> ids_of(const Json& body) {
    std::vector<std::uint64_t> ids;
    const auto found = body.find("ids");
    if (found == body.end()) {
        return ids;
    }
    const bool is_good = found->is_array() && std::ranges::all_of(*found, [](const Json& one) {
                             return one.is_number_unsigned();
                         });
    if (!is_good || found->empty()) {
        return fail(Errc::invalid_argument, "\"ids\" takes a list of ids of letters");
    }
    return found->get<std::vector<std::uint64_t>>();
}

Result<LetterSelection> selection_of(const Call& call) {
    LetterSelection selection;
    selection.query = letter_query_from_body(call);
    MILLRACE_TRY(selection.ids, ids_of(call.body));
    selection.by = call.body.value("by", std::string(default_by));
    selection.reason = call.body.value("reason", "");
    selection.limit = call.body.value("limit", selection.limit);
    return selection;
}

void discard(const ShardGate& gate, const Call& call) {
    const auto selection = selection_of(call);
    if (!selection) {
        call.refuse(selection.error());
        return;
    }
    if (selection.value().reason.empty()) {
        call.refuse(fail(Errc::invalid_argument, "a discard needs a \"reason\""));
        return;
    }
    change(gate, selection.value(), {.kind = LetterEdit::Kind::discard}, call);
}

/// A value for one letter, or a program for one.
void edit(const ShardGate& gate, const Call& call) {
    const auto id = letter_id(call);
    if (!id) {
        call.refuse(id.error());
        return;
    }
    LetterEdit edit{.kind = LetterEdit::Kind::edit};
    take(call.body, "transform", edit.transform);
    if (const auto value = call.body.find("value"); value != call.body.end()) {
        edit.value = text_of(*value);
    } else if (const auto bytes = call.body.find("value_base64"); bytes != call.body.end()) {
        edit.value = parse_base64(bytes->get<std::string>());
    }
    if (edit.value.has_value() == !edit.transform.empty()) {
        call.refuse(
            fail(Errc::invalid_argument, "one of \"value\", \"value_base64\" and \"transform\""));
        return;
    }
    LetterSelection selection;
    selection.query.subscription = call.path_param("subscription");
    selection.ids = {id.value()};
    selection.by = call.body.value("by", std::string(default_by));
    selection.reason = call.body.value("reason", "");
    change(gate, selection, edit, call);
}

/// Named letters go at once; what is found by filters goes by a job, which stops when it goes
/// wrong.
void redrive(const ShardGate& gate, const Call& call) {
    const auto selection = selection_of(call);
    if (!selection) {
        call.refuse(selection.error());
        return;
    }
    const auto transform = call.body.value("transform", "");
    if (!selection.value().ids.empty()) {
        change(gate,
               selection.value(),
               {.kind = LetterEdit::Kind::redrive, .transform = transform},
               call);
        return;
    }
    delivery::Job job{.kind = delivery::JobKind::redrive, .by = selection.value().by};
    job.redrive.query = selection.value().query;
    job.redrive.transform = transform;
    take(call.body, "limit", job.redrive.limit);
    take(call.body, "records_per_second", job.redrive.records_per_second);
    take(call.body, "canary", job.redrive.canary);
    take(call.body, "failure_share_max", job.redrive.failure_share_max);
    create_job(gate, std::move(job), call, status_accepted);
}

std::vector<Field> with(std::vector<Field> fields, const std::vector<Field>& more) {
    fields.insert(fields.end(), more.begin(), more.end());
    return fields;
}

BodyRule change_rule(const std::vector<Field>& more) {
    const std::vector<Field> common{
        {.name = "ids",
         .type = FieldType::any,
         .help = "These letters; else all open ones that the filters want."},
        {.name = "by", .help = "Who does it."},
        {.name = "reason", .help = "Why; stands in the letter's history."},
        {.name = "limit",
         .type = FieldType::integer,
         .help = "At most so many; a discard: of each shard."}};
    auto filters = letter_filter_fields();
    std::erase_if(filters, [](const Field& field) { return field.name == "state"; });
    return {.need = BodyNeed::required,
            .content_types = {"application/json"},
            .fields = with(with(std::move(filters), common), more)};
}

Routes changes(const std::string& base, const auto& at) {
    return {
        {.method = Method::patch,
         .pattern = base + "/{id}",
         .summary = "Mends the record of a letter; what goes out again is the mended one.",
         .handle = at(edit),
         .body = {.need = BodyNeed::required,
                  .content_types = {"application/json"},
                  .fields = {{.name = "value",
                              .type = FieldType::any,
                              .help = "Instead of the record's: a text as it is, else JSON."},
                             {.name = "value_base64", .help = "The same as bytes."},
                             {.name = "transform",
                              .help = "A jq program over the letter; its value and headers."},
                             {.name = "by", .help = "Who does it."},
                             {.name = "reason", .help = "Why."}}}},
        {.method = Method::post,
         .pattern = base + "/redrive",
         .summary = "Sends letters again: those named at once, those found by a job.",
         .handle = at(redrive),
         .body = change_rule({{.name = "transform", .help = "A jq program that mends each before."},
                              {.name = "records_per_second",
                               .type = FieldType::number,
                               .help = "0: as they are settled."},
                              {.name = "canary",
                               .type = FieldType::integer,
                               .help = "So many first, which must settle before the rest.",
                               .max = UINT32_MAX},
                              {.name = "failure_share_max",
                               .type = FieldType::number,
                               .help = "Of those settled; above, the job pauses."}})},
        {.method = Method::post,
         .pattern = base + "/discard",
         .summary = "Gives letters up, for a reason.",
         .handle = at(discard),
         .body = change_rule({})}};
}

}  // namespace

Routes letter_routes(const ShardGate& gate) {
    const auto at = [&gate](void (*handle)(const ShardGate&, const Call&)) {
        return [&gate, handle](const Call& call) { handle(gate, call); };
    };
    const std::string base = "/v1/subscriptions/{subscription}/letters";
    Routes routes{
        {.pattern = base,
         .summary = "Dead letters, without their records.",
         .handle = at(list_letters),
         .query =
             with(letter_filter_fields(),
                  {{.name = "after_id", .type = FieldType::integer, .help = "Behind this one."},
                   {.name = "limit",
                    .type = FieldType::integer,
                    .help = "At most so many; 100 when nothing is said.",
                    .max = list_max}})},
        {.pattern = base + "/groups",
         .summary = "Dead letters counted by what they share.",
         .handle = at(group),
         .query = with(letter_filter_fields(),
                       {{.name = "by", .help = "What.", .one_of = words_of(letter_group_names)}})},
        {.pattern = base + "/{id}",
         .summary = "One letter with its record.",
         .handle = at(show_letter)}};
    std::ranges::move(changes(base, at), std::back_inserter(routes));
    return routes;
}

}  // namespace millrace::broker::http
