#include "broker/gateways/http/records/read_routes.hpp"

#include <utility>

#include "broker/gateways/http/records/read_start.hpp"
#include "broker/gateways/http/records/topic_reader.hpp"

namespace millrace::broker::http {
namespace {

constexpr std::uint64_t records_max_default = 100;
constexpr std::uint64_t records_max_limit = 10'000;
constexpr std::uint64_t wait_ms_limit = 60'000;
constexpr std::chrono::milliseconds no_time{0};
constexpr std::size_t poll_bytes = std::size_t{1} << 20U;
/// An answer names the place in every partition that is read, in a header where lines are wanted;
/// each event of a stream does.
constexpr std::size_t poll_partitions_max = 1'000;
constexpr std::size_t stream_partitions_max = 64;
constexpr std::string_view lines_type = "application/x-ndjson";
constexpr std::string_view stream_type = "text/event-stream";

bool accepts(const Call& call, std::string_view type) {
    const auto accept = call.request->header("accept");
    return accept && accept->find(type) != std::string_view::npos;
}

Response as_lines(const ReadPiece& piece, const Positions& positions) {
    Response response{.content_type = std::string(lines_type)};
    for (const auto& record : piece.records) {
        response.body += record + "\n";
    }
    response.headers.emplace_back("Millrace-Next", format_positions(positions));
    response.headers.emplace_back("Millrace-Gaps", std::to_string(piece.gaps.size()));
    return response;
}

/// The records stand as they are: parsing them only to write them again would cost most of it.
Response as_json(const ReadPiece& piece, const Positions& positions) {
    std::string body = "{\"records\":[";
    for (const auto& record : piece.records) {
        body += (body.back() == '[' ? "" : ",") + record;
    }
    Json gaps = Json::array();
    for (const auto& gap : piece.gaps) {
        gaps.push_back({{"partition", gap.partition_index},
                        {"from", gap.from.value},
                        {"to", gap.to.value},
                        {"detail", gap.why}});
    }
    body += "],\"gaps\":" + gaps.dump(-1, ' ', false, Json::error_handler_t::replace) +
            ",\"next\":" + Json(format_positions(positions)).dump() + "}";
    return {.body = std::move(body)};
}

/// What refuses a reader of more partitions than it may have at a time.
Result<void> check_breadth(const TopicInfo& topic, const Positions& positions, bool is_stream) {
    const auto max = is_stream ? stream_partitions_max : poll_partitions_max;
    if (positions.offsets.size() > max) {
        return fail(Errc::invalid_argument,
                    std::string(is_stream ? "a stream" : "a page") + " reads up to " +
                        std::to_string(max) + " partitions, and " + topic.name + " has " +
                        std::to_string(positions.offsets.size()) + ": choose a \"partition\"");
    }
    return ok();
}

void poll(const ShardGate& gate,
          std::shared_ptr<const TopicInfo> topic,
          Positions positions,
          const Call& call) {
    const auto max = call.target.param("max");
    const auto wait = call.target.param("wait_ms");
    const auto reader = std::make_shared<TopicReader>(
        gate,
        std::move(topic),
        std::move(positions),
        TopicReader::Options{.fetch_bytes = poll_bytes,
                             .records_max = max ? integer_of(*max) : records_max_default});
    // The reader owns these, so that they must not own it.
    const auto answer = [here = reader.get(),
                         wants_lines = accepts(call, lines_type),
                         respond = call.respond](const Result<ReadPiece>& piece) {
        if (!piece) {
            respond(problem(piece.error()));
            return;
        }
        respond(wants_lines ? as_lines(piece.value(), here->positions())
                            : as_json(piece.value(), here->positions()));
    };
    const std::chrono::milliseconds wait_max(wait ? integer_of(*wait) : 0);
    reader->next(no_time, [here = reader.get(), answer, wait_max](const Result<ReadPiece>& piece) {
        const bool is_empty = piece && piece.value().records.empty() && piece.value().gaps.empty();
        if (is_empty && wait_max > no_time) {
            here->next(wait_max, answer);
        } else {
            answer(piece);
        }
    });
}

void stream(const ShardGate& gate,
            const std::shared_ptr<StreamOffice>& office,
            std::shared_ptr<const TopicInfo> topic,
            Positions positions,
            const Respond& respond) {
    if (office->open >= office->streams_max) {
        office->reached->add();
        respond(problem(
            503,
            fail(Errc::limit_reached,
                 "http_streams_max (" + std::to_string(office->streams_max) + ") is reached")));
        return;
    }
    auto reader = std::make_shared<TopicReader>(
        gate,
        std::move(topic),
        std::move(positions),
        TopicReader::Options{.has_positions = true, .place = take_place(office)});
    respond({.content_type = std::string(stream_type),
             .headers = {{"Cache-Control", "no-store"}},
             .source = make_event_stream(std::move(reader))});
}

void read(const ShardGate& gate, const std::shared_ptr<StreamOffice>& office, const Call& call) {
    if (!gate.is_open()) {
        call.refuse(gate.closed());
        return;
    }
    const auto& topics = gate.catalog()->topics;
    const auto found = topics.find(call.path_param("topic"));
    if (found == topics.end()) {
        call.refuse(
            fail(Errc::unknown_topic, "topic \"" + call.path_param("topic") + "\" does not exist"));
        return;
    }
    const auto topic = found->second;
    const auto start = parse_read_start(call, *topic);
    if (!start) {
        call.refuse(start.error());
        return;
    }
    resolve(gate, topic, start.value(), [&gate, office, topic, call](Result<Positions> positions) {
        const bool is_stream = accepts(call, stream_type);
        if (!positions) {
            call.refuse(positions.error());
        } else if (const auto checked = check_breadth(*topic, positions.value(), is_stream);
                   !checked) {
            call.refuse(checked.error());
        } else if (is_stream) {
            stream(gate, office, topic, std::move(positions).value(), call.respond);
        } else {
            poll(gate, topic, std::move(positions).value(), call);
        }
    });
}

}  // namespace

Routes read_routes(const ShardGate& gate, std::shared_ptr<StreamOffice> office) {
    return {{.pattern = "/v1/topics/{topic}/records",
             .summary = "Reads records: a page, a long poll, or a stream of server-sent events.",
             .handle = [&gate,
                        office = std::move(office)](const Call& call) { read(gate, office, call); },
             .query = {
                 {.name = "partition",
                  .type = FieldType::integer,
                  .help = "This one; else all.",
                  .max = UINT32_MAX},
                 {.name = "offset",
                  .type = FieldType::integer,
                  .help = "Where to begin in the partition."},
                 {.name = "from", .help = "earliest (the default), latest, or a moment of append."},
                 {.name = "position", .help = "Where an answer said that one reads on."},
                 {.name = "max",
                  .type = FieldType::integer,
                  .help = "Records of a page; 100 when nothing is said.",
                  .max = records_max_limit},
                 {.name = "wait_ms",
                  .type = FieldType::integer,
                  .help = "How long a page may wait for its first record.",
                  .max = wait_ms_limit}}}};
}

}  // namespace millrace::broker::http
