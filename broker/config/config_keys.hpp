#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "broker/config/config.hpp"

namespace millrace::broker {

/// One setting: its key in the file; as flag with dashes, as variable in capitals behind MILLRACE_.
struct ConfigKey {
    std::string_view name;
    std::variant<std::string Config::*, std::uint64_t Config::*, bool Config::*> member;
    std::string_view help;
    std::uint64_t min = 0;
    std::uint64_t max = UINT64_MAX;

    [[nodiscard]] std::string flag() const;
    [[nodiscard]] std::string variable() const;
    [[nodiscard]] std::string value_in(const Config& config) const;
    /// Sets from text; numbers take the suffixes KiB, MiB and GiB. Errors: configuration.
    [[nodiscard]] Result<void> set(Config& config, std::string_view text) const;
};

[[nodiscard]] std::span<const ConfigKey> config_keys();
/// The key that looks most like a mistyped one.
[[nodiscard]] std::string_view nearest_key(std::string_view name);

}  // namespace millrace::broker
