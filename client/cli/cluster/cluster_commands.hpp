#pragma once

namespace millrace::cli {

struct Registry;

/// The family `cluster`.
void add_cluster_commands(Registry& registry);

}  // namespace millrace::cli
