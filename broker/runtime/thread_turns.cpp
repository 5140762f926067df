#include "broker/runtime/thread_turns.hpp"

#include <cstdint>

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace millrace::broker {
namespace {

constexpr std::uint64_t turn_ns = 200'000;
constexpr int nicer = 10;

/// The kernel's own structure, in its first version; the C library has none.
struct SchedulingWish {
    std::uint32_t bytes = sizeof(SchedulingWish);
    std::uint32_t policy = SCHED_OTHER;
    std::uint64_t flags = 0;
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime_ns = turn_ns;
    std::uint64_t deadline_ns = 0;
    std::uint64_t period_ns = 0;
};
static_assert(sizeof(SchedulingWish) == 48);

}  // namespace

void ask_for_short_turns() {
    SchedulingWish wish;
    wish.nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()));
    (void)::syscall(SYS_sched_setattr, 0, &wish, 0);
}

void give_way_to_shards() {
    const auto self = static_cast<id_t>(::gettid());
    // Asking for less is never refused.
    (void)::setpriority(PRIO_PROCESS, self, ::getpriority(PRIO_PROCESS, self) + nicer);
}

}  // namespace millrace::broker
