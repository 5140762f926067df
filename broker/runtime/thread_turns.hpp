#pragma once

namespace millrace::broker {

/// Asks the kernel to give the calling thread the processor in short turns, so that when it wakes
/// it comes before threads that work through something long. Costs a few more switches under load;
/// where the kernel knows no such wish (before Linux 6.12) nothing changes.
void ask_for_short_turns();

/// Lets the calling thread come after those that answer somebody, for as long as it lives.
void give_way_to_shards();

}  // namespace millrace::broker
