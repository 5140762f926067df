#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "broker/odoo/answers/fault.hpp"

namespace millrace::broker::odoo {

using Json = nlohmann::json;

/// What a call came to: the method's result as JSON text, or why there is none.
using Reply = std::variant<std::string, Fault>;
using ReplyDone = std::function<void(Reply)>;

/// A method of a model, in a form that both interfaces of Odoo can be told in.
// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
struct Call {
    std::string model;
    std::string method;
    std::optional<Json> ids;                               ///< records it is called on
    std::vector<std::pair<std::string, Json>> positional;  ///< by position where names don't count
    Json named = Json::object();                           ///< by name everywhere
    Json context = Json::object();
};

/// A way to call methods of Odoo's models.
///
/// Promise:  `done` runs exactly once, never before `call` returns, unless the transport is
///           stopped.
/// Threads:  the control thread.
class Transport {
  public:
    Transport() = default;
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;
    Transport(Transport&&) = delete;
    Transport& operator=(Transport&&) = delete;
    virtual ~Transport() = default;

    virtual void call(const Call& call, ReplyDone done) = 0;
    /// Ends what is under way without an answer.
    virtual void stop() = 0;
};

}  // namespace millrace::broker::odoo
