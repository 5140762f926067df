#pragma once

#include <functional>
#include <string>
#include <variant>

#include "broker/odoo/fault.hpp"

namespace millrace::broker::odoo {

/// What a call came to: the method's result as JSON text, or why there is none.
using Reply = std::variant<std::string, Fault>;
using ReplyDone = std::function<void(Reply)>;

/// A way to call methods of Odoo's models.
///
/// Promise:  `done` runs exactly once, never before `call` returns, unless the transport is
/// stopped. Threads:  the control thread.
class Transport {
  public:
    Transport() = default;
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;
    Transport(Transport&&) = delete;
    Transport& operator=(Transport&&) = delete;
    virtual ~Transport() = default;

    /// `positional` is a JSON array, `keyword` a JSON object.
    struct Call {
        std::string model;
        std::string method;
        std::string positional = "[]";
        std::string keyword = "{}";
    };
    virtual void call(const Call& call, ReplyDone done) = 0;
    /// Ends what is under way without an answer.
    virtual void stop() = 0;
};

}  // namespace millrace::broker::odoo
