#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <yaml-cpp/yaml.h>

#include "storage/base/result.hpp"

namespace millrace::broker {

/// Reads maps of a YAML file; every error names file and line.
class YamlReader {
  public:
    explicit YamlReader(std::string name) : name_(std::move(name)) {}

    [[nodiscard]] Error error(const YAML::Node& node, const std::string& text) const;

    /// Errors: configuration where this is no map, or has a key that is not known.
    [[nodiscard]] Result<void> check_keys(const YAML::Node& map,
                                          std::span<const std::string_view> known) const;
    [[nodiscard]] Result<std::string> text(const YAML::Node& map, const char* key) const;
    /// Empty where the key is not there.
    [[nodiscard]] Result<std::string> optional_text(const YAML::Node& map, const char* key) const;
    struct Range {
        std::uint64_t min = 0;
        std::uint64_t max = UINT64_MAX;
        std::uint64_t otherwise = 0;  ///< where the key is not there
    };
    [[nodiscard]] Result<std::uint64_t> number(const YAML::Node& map,
                                               const char* key,
                                               Range range) const;
    [[nodiscard]] Result<bool> flag(const YAML::Node& map, const char* key) const;
    /// The items of a list that may be missing.
    [[nodiscard]] Result<void> each(
        const YAML::Node& map,
        const char* key,
        const std::function<Result<void>(const YAML::Node&)>& take) const;

  private:
    std::string name_;
};

/// Hands a file, or its text under a name, to `take`. The library reports by exceptions; this is
/// the adapter. Errors: configuration.
[[nodiscard]] Result<void> read_yaml_file(
    const std::string& path, const std::function<Result<void>(const YAML::Node&)>& take);
[[nodiscard]] Result<void> read_yaml_text(
    const std::string& name,
    const std::string& text,
    const std::function<Result<void>(const YAML::Node&)>& take);

}  // namespace millrace::broker
