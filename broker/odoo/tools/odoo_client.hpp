#pragma once

#include <memory>
#include <string>

#include "broker/odoo/transport/json2.hpp"

namespace millrace::broker::odoo {

/// Calls that are waited for, for tools.
///
/// Threads:  one.
class OdooClient {
  public:
    OdooClient(OdooApi api, OdooTarget target);
    /// Over a transport that answers within `call`.
    explicit OdooClient(std::unique_ptr<Transport> transport);
    OdooClient(const OdooClient&) = delete;
    OdooClient& operator=(const OdooClient&) = delete;
    OdooClient(OdooClient&&) = delete;
    OdooClient& operator=(OdooClient&&) = delete;
    ~OdooClient();

    [[nodiscard]] Reply call(const Call& call);
    /// The same as JSON. Errors: what Odoo or the way to it says, as configuration, unavailable,
    /// or invalid_argument.
    [[nodiscard]] Result<Json> ask(const Call& call);
    /// Model and id of an external id; null when there is none.
    [[nodiscard]] Result<Json> find_reference(const std::string& external_id);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker::odoo
