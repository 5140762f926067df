#pragma once

#include <memory>
#include <string>

#include <boost/asio/ssl/context.hpp>

#include "storage/base/result.hpp"

namespace millrace::broker {

/// Which certificates a TLS connection takes. TLS 1.2 and later.
///
/// Threads:  one.
class TlsTrust {
  public:
    /// By the CAs of this system; when `ca_file` names a PEM file, by its certificates alone.
    /// `setting` is what the file's name was given as, for errors. Errors: configuration.
    [[nodiscard]] static Result<std::shared_ptr<TlsTrust>> load(std::string ca_file,
                                                                std::string setting);

    [[nodiscard]] boost::asio::ssl::context& context() { return context_; }
    /// Empty: the system's.
    [[nodiscard]] const std::string& ca_file() const { return ca_file_; }
    [[nodiscard]] const std::string& setting() const { return setting_; }

  private:
    TlsTrust(std::string ca_file, std::string setting);

    boost::asio::ssl::context context_;
    std::string ca_file_;
    std::string setting_;
};

}  // namespace millrace::broker
