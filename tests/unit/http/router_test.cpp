#include "broker/gateways/http/routing/router.hpp"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/gateways/http/routing/body_check.hpp"
#include "broker/gateways/http/routing/openapi.hpp"

namespace millrace::broker::http {
namespace {

using ::testing::HasSubstr;

Routes example_routes() {
    const auto echo = [](const Call& call) {
        call.answer({{"name", call.path_param("name")}, {"body", call.body}});
    };
    return {
        {.pattern = "/things",
         .summary = "All.",
         .handle = [](const Call& call) { call.answer(Json::array()); },
         .query = {{.name = "max", .type = FieldType::integer, .help = "How many.", .max = 10},
                   {.name = "since", .type = FieldType::moment, .help = "From when."}}},
        {.pattern = "/things/first",
         .summary = "The first.",
         .handle = [](const Call& call) { call.answer("first"); }},
        {.pattern = "/things/{name}", .summary = "One.", .handle = echo},
        {.method = Method::put,
         .pattern = "/things/{name}",
         .summary = "Makes one.",
         .handle = echo,
         .body = {
             .need = BodyNeed::required,
             .content_types = {"application/json"},
             .fields = {{.name = "size", .type = FieldType::integer, .help = "", .max = 9},
                        {.name = "kind", .help = "", .one_of = {"a", "b"}, .is_required = true}}}}};
}

class Routing : public ::testing::Test {
  protected:
    Response ask(Method method, std::string target, std::string body = {}) {
        auto request = std::make_shared<Request>();
        request->method = method;
        request->target = std::move(target);
        request->headers = {{"content-type", "Application/JSON; charset=utf-8"}};
        request->has_length = !body.empty();
        request->body = std::move(body);
        return ask(std::move(request));
    }
    Response ask(std::shared_ptr<Request> request) {
        std::optional<Response> answer;
        router.handle(std::move(request), [&answer](Response given) { answer = std::move(given); });
        EXPECT_TRUE(answer.has_value());
        return answer.value_or(Response{.status = 0});
    }
    static std::string header(const Response& response, const std::string& name) {
        for (const auto& [key, value] : response.headers) {
            if (key == name) {
                return value;
            }
        }
        return {};
    }

    MetricsRegistry metrics;
    Router router{example_routes(), metrics};
};

TEST_F(Routing, AWordWinsOverAParameter) {
    EXPECT_EQ(ask(Method::get, "/things/first").body, "\"first\"");
    EXPECT_THAT(ask(Method::get, "/things/second").body, HasSubstr(R"("name":"second")"));
    EXPECT_EQ(ask(Method::put, "/things/first", R"({"kind":"a"})").status, 405U);
}

TEST_F(Routing, UnknownPathAndWrongMethodSayWhatThereIs) {
    EXPECT_EQ(ask(Method::get, "/nothing").status, 404U);
    const auto refused = ask(Method::post, "/things/x", "{}");
    EXPECT_EQ(refused.status, 405U);
    EXPECT_EQ(header(refused, "Allow"), "GET, HEAD, OPTIONS, PUT");
    const auto options = ask(Method::options, "/things");
    EXPECT_EQ(options.status, 204U);
    EXPECT_EQ(header(options, "Allow"), "GET, HEAD, OPTIONS");
    EXPECT_EQ(ask(Method::head, "/things").status, 200U);
}

TEST_F(Routing, QueryIsHeldToWhatTheRouteKnows) {
    EXPECT_EQ(ask(Method::get, "/things?max=10&since=2026-01-01T00:00:00Z").status, 200U);
    for (const auto& [query, word] : {std::pair{"max=11", "from 0 to 10"},
                                      std::pair{"max=-1", "from 0 to 10"},
                                      std::pair{"max=", "from 0 to 10"},
                                      std::pair{"since=soon", "a moment"},
                                      std::pair{"mx=1", "known here: max, since"}}) {
        const auto refused = ask(Method::get, std::string("/things?") + query);
        EXPECT_EQ(refused.status, 400U) << query;
        EXPECT_THAT(refused.body, HasSubstr(word)) << query;
    }
}

TEST_F(Routing, BodyIsHeldToWhatTheRouteKnows) {
    EXPECT_EQ(ask(Method::put, "/things/x", R"({"kind":"a","size":9})").status, 200U);
    for (const auto& [body, word] : {std::pair{R"({"kind":"c"})", "one of a, b"},
                                     std::pair{R"({"size":1})", "is missing"},
                                     std::pair{R"({"kind":"a","size":10})", "from 0 to 9"},
                                     std::pair{R"({"kind":"a","sise":1})", "unknown member"},
                                     std::pair{R"({"kind":1})", "a text"},
                                     std::pair{"[]", "is an object"},
                                     std::pair{"{", "no JSON"},
                                     std::pair{"\"\xff\"", "no JSON"}}) {
        const auto refused = ask(Method::put, "/things/x", body);
        EXPECT_EQ(refused.status, 400U) << body;
        EXPECT_THAT(refused.body, HasSubstr(word)) << body;
    }
}

TEST_F(Routing, NestingIsRefusedBeforeItEndsTheStack) {
    const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
    const auto parsed = parse_json(deep);
    ASSERT_FALSE(parsed);
    EXPECT_THAT(parsed.error().text, HasSubstr("nested"));
    EXPECT_TRUE(parse_json(std::string(200, '[') + std::string(200, ']')));
}

TEST_F(Routing, LengthTypeAndEncodingOfABodyAreAskedFor) {
    EXPECT_EQ(ask(Method::put, "/things/x").status, 411U);
    auto request = std::make_shared<Request>();
    request->method = Method::put;
    request->target = "/things/x";
    request->headers = {{"content-type", "text/plain"}};
    request->has_length = true;
    request->body = "x";
    const auto refused = ask(request);
    EXPECT_EQ(refused.status, 415U);
    EXPECT_EQ(header(refused, "Accept-Post"), "application/json");
    request->headers = {{"content-type", "application/json"}, {"content-encoding", "gzip"}};
    EXPECT_EQ(ask(request).status, 415U);
}

TEST_F(Routing, AnswersAreCountedByRouteAndOutcome) {
    (void)ask(Method::get, "/things");
    (void)ask(Method::get, "/things?x=1");
    const auto count = [this](const char* outcome) {
        return metrics
            .counter("millrace_http_answers_total",
                     "",
                     {{"method", "GET"}, {"route", "/things"}, {"outcome", outcome}})
            .value();
    };
    EXPECT_EQ(count("answered"), 1U);
    EXPECT_EQ(count("refused"), 1U);
}

TEST_F(Routing, EveryRouteStandsInTheDocument) {
    const auto document = openapi_document(router.routes(), "1");
    EXPECT_EQ(document.at("openapi"), "3.1.0");
    EXPECT_TRUE(document.at("paths").at("/things").contains("get"));
    const auto& put = document.at("paths").at("/things/{name}").at("put");
    EXPECT_EQ(put.at("parameters").at(0).at("name"), "name");
    const auto& schema = put.at("requestBody").at("content").at("application/json").at("schema");
    EXPECT_EQ(schema.at("required"), Json::array({"kind"}));
    EXPECT_EQ(schema.at("properties").at("size").at("maximum"), 9);
    EXPECT_EQ(schema.at("properties").at("kind").at("enum"), Json::array({"a", "b"}));
}

TEST_F(Routing, ANulDoesNotEndABody) {
    const auto parsed = parse_json(std::string_view("{}\0,", 4));
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Errc::malformed);
    EXPECT_THAT(parsed.error().text, HasSubstr("NUL"));
}

TEST_F(Routing, APageOfAnotherSiteChangesNothing) {
    const auto ask_from = [this](Method method, const std::string& origin) {
        auto request = std::make_shared<Request>();
        request->method = method;
        request->target = "/things/x";
        request->headers = {{"host", "mill:7118"}, {"content-type", "application/json"}};
        if (!origin.empty()) {
            request->headers.emplace_back("origin", origin);
        }
        request->has_length = true;
        request->body = R"({"kind":"a"})";
        return ask(std::move(request)).status;
    };
    EXPECT_EQ(ask_from(Method::put, ""), 200U);
    EXPECT_EQ(ask_from(Method::put, "http://Mill:7118"), 200U);
    EXPECT_EQ(ask_from(Method::get, "http://elsewhere"), 200U);
    for (const char* const origin :
         {"http://elsewhere", "null", "http://mill", "http://mill:7118.elsewhere", "mill:7118"}) {
        EXPECT_EQ(ask_from(Method::put, origin), 403U) << origin;
    }
}

}  // namespace
}  // namespace millrace::broker::http
