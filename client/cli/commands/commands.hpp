#pragma once

namespace millrace::cli {

struct Registry;

void add_topic_commands(Registry& registry);
void add_partition_commands(Registry& registry);
void add_publish_command(Registry& registry);
void add_consume_command(Registry& registry);
void add_replay_command(Registry& registry);
void add_group_commands(Registry& registry);
void add_subscription_commands(Registry& registry);
/// One command of the subscription family; called by `add_subscription_commands`.
void add_subscription_consume_command(Registry& registry);
void add_letter_commands(Registry& registry);
/// `status` and `version`.
void add_status_commands(Registry& registry);
void add_completion_command(Registry& registry);

}  // namespace millrace::cli
