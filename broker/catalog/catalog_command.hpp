#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include <nlohmann/json.hpp>

#include "broker/catalog/catalog_state.hpp"

namespace millrace::broker {

/// A change that is being applied.
struct CatalogState::Command {
    const nlohmann::json& json;
    const Rows& rows;
    [[nodiscard]] std::string name() const { return json.at("name").get<std::string>(); }
    [[nodiscard]] bool accepts_existing() const { return json.value("if_exists_ok", false); }
};

inline constexpr std::string_view subscription_prefix = "c/s/";

/// One field of an alteration: what was not given stays out. Enumerators stand as their numbers.
template <class Optional>
void set_if_given(nlohmann::json& set, const char* name, const Optional& value) {
    if (!value) {
        return;
    }
    if constexpr (std::is_enum_v<typename Optional::value_type>) {
        set[name] = static_cast<int>(*value);
    } else {
        set[name] = *value;
    }
}

/// The text of a command. Errors: invalid_argument, where a text in it is not UTF-8.
[[nodiscard]] Result<CatalogCommand> format_command(const nlohmann::json& command);

[[nodiscard]] inline Error limit_error(const char* name, std::uint32_t value) {
    return fail(Errc::limit_reached,
                std::string("limit ") + name + " of " + std::to_string(value) + " is reached");
}

}  // namespace millrace::broker
