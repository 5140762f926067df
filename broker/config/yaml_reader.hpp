#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

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

/// The library keeps both of two values under one key, and gives the first to who asks. Errors:
/// configuration, for the second of two keys that are the same, in any map of the file.
[[nodiscard]] Result<void> refuse_repeated_keys(const std::string& name, const YAML::Node& root);

/// What `take` makes of a text; `name` stands in errors. The library reports by exceptions; this is
/// the one adapter. Errors: configuration.
template <class Take>
[[nodiscard]] std::invoke_result_t<const Take&, const YAML::Node&> read_yaml(
    const std::string& name, const std::string& text, const Take& take) {
    try {
        const auto root = YAML::Load(text);
        MILLRACE_TRY(refuse_repeated_keys(name, root));
        return take(root);
    } catch (const YAML::Exception& error) {
        return fail(Errc::configuration,
                    name + ":" + std::to_string(error.mark.line + 1) + ": " + error.msg);
    }
}

/// The text of a file; `what` says in the error what it was to be, with a blank behind it, or is
/// empty. Errors: configuration.
[[nodiscard]] Result<std::string> load_text(const std::string& path, const std::string& what);

}  // namespace millrace::broker
