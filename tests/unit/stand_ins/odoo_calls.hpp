#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tests/stand_ins/odoo_sim/simulator.hpp"

namespace millrace::stand_ins {

/// A list of JSON; a list in braces with one or with pairs of elements would be something else.
inline Json list(std::initializer_list<Json> elements) {
    Json made = Json::array();
    for (const auto& element : elements) {
        made.push_back(element);
    }
    return made;
}

/// The positional arguments of a method of one record.
inline Json on(const Json& id) {
    return list({list({id})});
}

/// Calls to the stand-in for Odoo as a client makes them, without a socket.
class OdooCalls {
  public:
    explicit OdooCalls(SimulatorOptions options = {}) : simulator(std::move(options), clock) {}

    /// The result of a method of a model; throws the OdooError that the answer names.
    Json call(const std::string& model,
              const std::string& method,
              const Json& positional,
              const Json& keyword = Json::object()) {
        const auto reply = execute(arguments(model, method, positional, keyword));
        end(reply);
        return result_of(reply);
    }
    /// The worker is free of it.
    void end(const HttpReply& reply) {
        if (simulator.end(reply).count() > 0) {
            (void)simulator.end({.transaction = reply.transaction});
        }
    }
    /// The class of the error that a call answers with, or nothing.
    std::string error_of(const std::string& model,
                         const std::string& method,
                         const Json& positional,
                         const Json& keyword = Json::object()) {
        return error_in(execute(arguments(model, method, positional, keyword)));
    }
    /// Of `execute_kw`, for the user of the tests.
    static Json arguments(const std::string& model,
                          const std::string& method,
                          const Json& positional,
                          const Json& keyword = Json::object()) {
        return list({"plant", 2, "demo-key", model, method, positional, keyword});
    }
    HttpReply execute(const Json& arguments) { return service("object", "execute_kw", arguments); }
    HttpReply service(const char* service, const char* method, const Json& arguments) {
        return simulator.answer(request(service, method, arguments));
    }
    static HttpRequest request(const char* service, const char* method, const Json& arguments) {
        const Json body{
            {"jsonrpc", "2.0"},
            {"method", "call"},
            {"id", 1},
            {"params", {{"service", service}, {"method", method}, {"args", arguments}}}};
        return posted("/jsonrpc", body.dump());
    }
    HttpReply post(const std::string& body, const std::string& content_type = "application/json") {
        return simulator.answer(posted("/jsonrpc", body, content_type));
    }
    /// Tells the stand-in something by its controls.
    Json control(const std::string& name, const Json& body) {
        return Json::parse(simulator.answer(posted("/sim/" + name, body.dump())).body);
    }
    Json create(const std::string& model, const Json& values) {
        return call(model, "create", list({values}));
    }
    Json value_of(const std::string& model, const Json& id, const char* field) {
        return call(model, "read", list({list({id}), list({field})})).at(0).at(field);
    }

    static Json result_of(const HttpReply& reply) {
        const auto answer = Json::parse(reply.body);
        if (answer.contains("error")) {
            const auto& data = answer["error"]["data"];
            throw OdooError{data["name"], data["message"]};
        }
        return answer.at("result");
    }
    static std::string error_in(const HttpReply& reply) {
        try {
            (void)result_of(reply);
            return "";
        } catch (const OdooError& error) {
            return error.name;
        }
    }

    ManualClock clock;
    Simulator simulator;

  private:
    static HttpRequest posted(const std::string& target,
                              const std::string& body,
                              const std::string& content_type = "application/json") {
        return {.method = "POST", .target = target, .content_type = content_type, .body = body};
    }
};

}  // namespace millrace::stand_ins
