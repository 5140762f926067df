#include "broker/gateways/http/records/publish_routes.hpp"

#include <algorithm>

#include "broker/gateways/http/admin/names.hpp"
#include "broker/gateways/http/records/record_input.hpp"

namespace millrace::broker::http {
namespace {

constexpr unsigned some_published = 207;
constexpr unsigned unsupported_type = 415;

Json outcome_to_json(const RecordOutcome& outcome) {
    if (outcome.error) {
        return problem_json(status_of(outcome.error->code), *outcome.error);
    }
    return {{"partition", outcome.partition_index},
            {"offset", outcome.offset.value},
            {"append_time_us", outcome.append_time_us},
            {"duplicate", outcome.is_duplicate},
            {"durability", name_in(durability_names, outcome.durability)}};
}

void publish(Publisher& publisher, const PublishRouteOptions& options, const Call& call) {
    if (!is_record_content_type(*call.request, call.content_type)) {
        std::string known;
        for (const auto& type : record_content_types()) {
            known += (known.empty() ? "" : ", ") + std::string(type);
        }
        auto response = problem(
            unsupported_type,
            fail(Errc::invalid_argument,
                 "content type \"" + call.content_type + "\" is not known; known here: " + known +
                     ", or any with the header ce-specversion"));
        response.headers.emplace_back("Accept-Post", known);
        call.respond(std::move(response));
        return;
    }
    auto records = parse_records(*call.request, call.content_type, options.records_max);
    if (!records) {
        if (records.error().code == Errc::frame_too_large) {
            options.records_max_reached->add();
        }
        call.refuse(records.error());
        return;
    }
    publisher.publish(call.path_param("topic"),
                      std::move(records).value(),
                      [respond = call.respond](const std::vector<RecordOutcome>& outcomes) {
                          respond(answer_of(outcomes));
                      });
}

}  // namespace

Response answer_of(const std::vector<RecordOutcome>& outcomes) {
    const auto failed = std::ranges::count_if(
        outcomes, [](const RecordOutcome& outcome) { return outcome.error.has_value(); });
    Json list = Json::array();
    std::ranges::transform(outcomes, std::back_inserter(list), outcome_to_json);
    const auto total = static_cast<std::ptrdiff_t>(outcomes.size());
    if (failed == total) {
        auto response = problem(*outcomes.front().error);
        auto json = problem_json(response.status, *outcomes.front().error);
        json["records"] = std::move(list);
        response.body = json.dump(-1, ' ', false, Json::error_handler_t::replace);
        return response;
    }
    const Json json{
        {"published", total - failed}, {"failed", failed}, {"records", std::move(list)}};
    return {.status = failed == 0 ? 200 : some_published,
            .body = json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

Routes publish_routes(Publisher& publisher, PublishRouteOptions options) {
    auto types = record_content_types();
    types.emplace_back("*/*");
    return {
        {.method = Method::post,
         .pattern = "/v1/topics/{topic}/records",
         .summary =
             "Publishes records; the answer comes when they are as durable as their topic asks "
             "for.",
         .handle = [&publisher, options](const Call& call) { publish(publisher, options, call); },
         .body = {.need = BodyNeed::required,
                  .content_types = std::move(types),
                  .help = "A record or a list of them as JSON, a record a line, the bytes of "
                          "one value, or CloudEvents 1.0 in any mode."}}};
}

}  // namespace millrace::broker::http
