#pragma once

#include <string>

#include "client/cli/app/options.hpp"

namespace millrace::cli {

/// A command that needs the name of a subscription, and perhaps a text and a time.
struct NameOptions {
    std::string name;
    std::string text;  ///< the reason of a pause, the position of a seek
    std::string wait;  ///< how long a drain is waited for
};

void add_subscription_create_command(Registry& registry);
void add_subscription_alter_command(Registry& registry);
void add_subscription_describe_command(Registry& registry);

/// In one or two words.
[[nodiscard]] std::string state_of(const SubscriptionStatus& status);
[[nodiscard]] std::string join(const std::vector<std::string>& words);

}  // namespace millrace::cli
