#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "broker/odoo/mapping/expression.hpp"

namespace millrace::broker::odoo {

/// Parts of a mapping file, each with an error that names file and line.
class YamlReader {
  public:
    explicit YamlReader(std::string name) : name_(std::move(name)) {}

    [[nodiscard]] std::string place(const YAML::Node& node) const;
    [[nodiscard]] Error error(const YAML::Node& node, const std::string& text) const;
    [[nodiscard]] Result<void> check_keys(const YAML::Node& map,
                                          std::span<const std::string_view> known) const;
    [[nodiscard]] Result<std::string> text(const YAML::Node& map, const char* key) const;
    /// `otherwise` when the key is not there.
    [[nodiscard]] Result<bool> flag(const YAML::Node& map, const char* key) const;
    struct Range {
        std::uint64_t otherwise = 0;
        std::uint64_t max = 0;
    };
    [[nodiscard]] Result<std::uint64_t> number(const YAML::Node& map,
                                               const char* key,
                                               Range range) const;
    [[nodiscard]] Result<Expression> expression(const std::string& name,
                                                const YAML::Node& node) const;
    /// Nothing when the key is not there.
    [[nodiscard]] Result<std::optional<Expression>> optional_expression(const YAML::Node& map,
                                                                        const char* key) const;
    /// A map of names to programs; empty when the key is not there.
    [[nodiscard]] Result<std::vector<Expression>> expressions(const YAML::Node& map,
                                                              const char* key) const;

  private:
    std::string name_;
};

/// "a, b, c".
[[nodiscard]] std::string listed(std::span<const std::string_view> words);
/// Letters, digits and `_`, with `.` and `/` between: a name that Odoo could know.
[[nodiscard]] bool is_odoo_name(std::string_view text);

}  // namespace millrace::broker::odoo
