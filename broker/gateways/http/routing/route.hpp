#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "broker/gateways/http/routing/target.hpp"
#include "broker/gateways/http/server/message.hpp"
#include "broker/gateways/http/server/problem.hpp"

namespace millrace::broker::http {

using Json = nlohmann::ordered_json;

inline constexpr unsigned status_created = 201;
inline constexpr unsigned status_accepted = 202;

enum class FieldType : std::uint8_t { text, number, integer, boolean, texts, object, any, moment };

/// A member of a body or a parameter of the query: what it takes, and what the OpenAPI document
/// says of it. The router refuses what does not fit.
struct Field {
    std::string_view name;
    FieldType type = FieldType::text;
    std::string_view help;
    std::vector<std::string_view> one_of = {};  ///< for texts; empty: any
    std::uint64_t max = UINT64_MAX;             ///< for integers, which begin at 0
    bool is_required = false;
};

enum class BodyNeed : std::uint8_t { none, optional, required };

/// What a route wants as a body. Fields are checked for application/json alone; a route without
/// fields reads its body itself.
struct BodyRule {
    BodyNeed need = BodyNeed::none;
    std::vector<std::string_view> content_types = {};  ///< empty: any
    std::vector<Field> fields = {};
    std::string_view help = {};
};

/// A request that has found its route. Answer or refuse it once, now or later, on the control
/// thread.
struct Call {
    RequestPtr request;
    Target target;
    std::map<std::string, std::string, std::less<>> params;  ///< of the path
    Json body;                                               ///< where the route has fields
    std::string content_type;                                ///< without parameters, in lower case
    Respond respond;

    [[nodiscard]] const std::string& path_param(std::string_view name) const {
        return params.find(name)->second;
    }
    /// Nothing where it is no number.
    [[nodiscard]] std::optional<std::uint64_t> path_number(std::string_view name) const;
    void answer(const Json& json, unsigned status = 200) const;
    void refuse(const Error& error) const { respond(problem(error)); }
};

/// One row of the table from which router and OpenAPI document are made.
struct Route {
    Method method = Method::get;
    std::string pattern;  ///< "/v1/topics/{topic}"
    std::string_view summary;
    std::function<void(const Call&)> handle;
    std::vector<Field> query = {};
    BodyRule body = {};
    unsigned success = 200;
    std::string_view success_type = "application/json";
    bool takes_any_query = false;  ///< the handler reads what the other side likes to send
};
using Routes = std::vector<Route>;

/// A query parameter or member as a number. **Requires** that the router has checked it.
[[nodiscard]] std::uint64_t integer_of(std::string_view text);

}  // namespace millrace::broker::http
