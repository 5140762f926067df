#include "broker/gateways/http/routing/router.hpp"

#include <algorithm>
#include <set>

#include "broker/gateways/http/routing/body_check.hpp"
#include "storage/base/text/lower.hpp"

namespace millrace::broker::http {
namespace {

constexpr unsigned first_error_status = 400;
constexpr unsigned forbidden = 403;

/// "application/json" of "Application/JSON; charset=utf-8".
std::string media_type(std::string_view header) {
    auto type = header.substr(0, header.find(';'));
    while (type.ends_with(' ')) {
        type.remove_suffix(1);
    }
    return ascii_lower(type);
}

bool is_param(std::string_view segment) {
    return segment.starts_with('{');
}

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
    return std::ranges::equal(pattern, segments, [](const auto& wanted, const auto& given) {
        return is_param(wanted) || wanted == given;
    });
}

std::string joined(const std::set<std::string>& words) {
    std::string list;
    for (const auto& word : words) {
        list += (list.empty() ? "" : ", ") + word;
    }
    return list;
}

Method as_routed(Method method) {
    return method == Method::head ? Method::get : method;
}

/// A body that is not there has no type.
bool takes_type(const BodyRule& rule, const std::string& type, bool has_body) {
    const auto knows = [&rule](std::string_view one) {
        return std::ranges::find(rule.content_types, one) != rule.content_types.end();
    };
    return rule.content_types.empty() || !has_body || knows(type) || knows("*/*");
}

Response refuse_type(const BodyRule& rule, const std::string& type) {
    std::string accepted;
    for (const auto& one : rule.content_types) {
        accepted += (accepted.empty() ? "" : ", ") + std::string(one);
    }
    auto response = problem(415,
                            fail(Errc::invalid_argument,
                                 (type.empty() ? "the content type is missing"
                                               : "content type \"" + type + "\" is not known") +
                                     "; known here: " + accepted));
    response.headers.emplace_back("Accept-Post", accepted);
    return response;
}

/// Whether a page of another site makes a browser ask. Programs send no origin.
bool is_foreign(const Request& request) {
    if (request.method == Method::get || request.method == Method::head) {
        return false;
    }
    const auto origin = request.header("origin");
    if (!origin) {
        return false;
    }
    const auto host = origin->find("://");
    return host == std::string_view::npos || ascii_lower(origin->substr(host + 3)) !=
                                                 ascii_lower(request.header("host").value_or(""));
}

}  // namespace

struct Router::Match {
    const Route* route = nullptr;
    std::size_t number = 0;
    std::set<std::string> allowed;  ///< of the path, whatever the method
};

std::optional<std::uint64_t> Call::path_number(std::string_view name) const {
    const auto& text = path_param(name);
    const bool is_number =
        !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
    return is_number ? std::optional(integer_of(text)) : std::nullopt;
}

void Call::answer(const Json& json, unsigned status) const {
    respond({.status = status, .body = json.dump(-1, ' ', false, Json::error_handler_t::replace)});
}

Router::Router(Routes routes, MetricsRegistry& metrics)
    : routes_(std::move(routes)),
      latency_us_(metrics.histogram("millrace_http_request_latency_us",
                                    "From the last byte of a request to its answer.")) {
    const auto counter = [&metrics](const Route& route, const char* outcome) {
        return &metrics.counter("millrace_http_answers_total",
                                "Answers of a route; refused: with a status of 400 or more.",
                                {{"method", std::string(name_of(route.method))},
                                 {"route", route.pattern},
                                 {"outcome", outcome}});
    };
    for (const auto& route : routes_) {
        patterns_.push_back(parse_target(route.pattern).value().segments);
        answered_.push_back(counter(route, "answered"));
        refused_.push_back(counter(route, "refused"));
    }
}

Router::Match Router::find(Method method, const std::vector<std::string>& segments) const {
    // Of the patterns that fit, the one with the fewest parameters is meant.
    const std::vector<std::string>* best = nullptr;
    for (const auto& pattern : patterns_) {
        const bool is_better = best == nullptr || std::ranges::count_if(pattern, is_param) <
                                                      std::ranges::count_if(*best, is_param);
        best = is_better && fits(pattern, segments) ? &pattern : best;
    }
    Match match;
    for (std::size_t i = 0; best != nullptr && i < routes_.size(); ++i) {
        if (patterns_[i] != *best) {
            continue;
        }
        match.allowed.insert(std::string(name_of(routes_[i].method)));
        if (routes_[i].method == as_routed(method)) {
            match.route = &routes_[i];
            match.number = i;
        }
    }
    if (match.allowed.contains("GET")) {
        match.allowed.insert("HEAD");
    }
    if (!match.allowed.empty()) {
        match.allowed.insert("OPTIONS");
    }
    return match;
}

void Router::handle(RequestPtr request, Respond respond) const {
    if (is_foreign(*request)) {
        respond(problem(forbidden,
                        fail(Errc::invalid_argument,
                             "the \"Origin\" is another site's; from there one can only read")));
        return;
    }
    auto target = parse_target(request->target);
    if (!target) {
        respond(problem(target.error()));
        return;
    }
    const auto match = find(request->method, target.value().segments);
    if (match.allowed.empty()) {
        respond(problem(fail(Errc::not_found,
                             "there is nothing at this path; GET /v1/openapi.json lists what is")));
        return;
    }
    if (request->method == Method::options) {
        respond({.status = 204, .content_type = "", .headers = {{"Allow", joined(match.allowed)}}});
        return;
    }
    if (match.route == nullptr) {
        auto response =
            problem(405, fail(Errc::invalid_argument, "this path allows " + joined(match.allowed)));
        response.headers.emplace_back("Allow", joined(match.allowed));
        respond(std::move(response));
        return;
    }
    Call call{.request = std::move(request),
              .target = std::move(target).value(),
              .params = {},
              .body = {},
              .content_type = {},
              .respond = {}};
    call.respond = [this,
                    respond = std::move(respond),
                    number = match.number,
                    began = clock_.steady_now()](Response response) {
        const auto& counters = response.status < first_error_status ? answered_ : refused_;
        counters[number]->add();
        latency_us_.observe(static_cast<std::uint64_t>((clock_.steady_now() - began).count()));
        respond(std::move(response));
    };
    serve(match, std::move(call));
}

void Router::serve(const Match& match, Call call) const {
    const auto& route = *match.route;
    const auto& pattern = patterns_[match.number];
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (is_param(pattern[i])) {
            call.params.emplace(pattern[i].substr(1, pattern[i].size() - 2),
                                call.target.segments[i]);
        }
    }
    call.content_type = media_type(call.request->header("content-type").value_or(""));
    const auto& body = call.request->body;
    if (route.body.need == BodyNeed::required && !call.request->has_length) {
        call.respond(problem(
            411, fail(Errc::invalid_argument, "a body is wanted, with its Content-Length")));
        return;
    }
    if (const auto encoding = call.request->header("content-encoding");
        encoding && *encoding != "identity" && !body.empty()) {
        call.respond(problem(415,
                             fail(Errc::invalid_argument,
                                  "content encoding \"" + std::string(*encoding) +
                                      "\" is not known; send the body as it is")));
        return;
    }
    if (route.body.need != BodyNeed::none &&
        !takes_type(route.body, call.content_type, !body.empty())) {
        call.respond(refuse_type(route.body, call.content_type));
        return;
    }
    if (const auto checked = check_query(route, call.target); !checked) {
        call.refuse(checked.error());
        return;
    }
    if (!route.body.fields.empty()) {
        auto parsed = parse_body(route.body, body);
        if (!parsed) {
            call.refuse(parsed.error());
            return;
        }
        call.body = std::move(parsed).value();
    }
    route.handle(call);
}

}  // namespace millrace::broker::http
