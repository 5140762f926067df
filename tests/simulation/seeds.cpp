#include "tests/simulation/seeds.hpp"

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include "storage/base/logging.hpp"

namespace millrace::simulation {
namespace {

constexpr std::uint64_t progress_interval = 100;  ///< seeds

/// Seeds, both ends included.
using SeedRange = std::pair<std::uint64_t, std::uint64_t>;

SeedRange seeds(const SeedCounts& counts) {
    if (const auto* const asked = setting("MILLRACE_SEED")) {
        const std::string_view text(asked);
        SeedRange range{0, 0};
        const auto first = std::from_chars(text.begin(), text.end(), range.first);
        range.second = range.first;
        if (first.ptr != text.end()) {
            (void)std::from_chars(first.ptr + 1, text.end(), range.second);
        }
        return range;
    }
    const auto* const profile = setting("MILLRACE_TEST_PROFILE");
    const bool is_long = profile != nullptr && std::string_view(profile) == "long";
    return {1, is_long ? counts.in_long : counts.fast};
}

/// So that an assertion which ends the process tells in which world.
volatile std::sig_atomic_t running_seed = 0;

extern "C" void tell_seed(int signal) {
    char text[64];
    const auto length = std::snprintf(static_cast<char*>(text),
                                      sizeof(text),
                                      "\nMILLRACE_SEED=%ld\n",
                                      static_cast<long>(running_seed));
    (void)!::write(STDOUT_FILENO, static_cast<const char*>(text), static_cast<std::size_t>(length));
    (void)std::signal(signal, SIG_DFL);
    (void)std::raise(signal);
}

void tell_progress(std::uint64_t done, const SeedRange& range) {
    if (done % progress_interval == 0) {
        (void)std::printf("%llu seeds done, the last was %llu\n",
                          static_cast<unsigned long long>(done),
                          static_cast<unsigned long long>(range.first + done - 1));
        (void)std::fflush(stdout);
    }
}

/// Worlds allocate and free megabytes by the thousand, which would go to the kernel and back.
void keep_memory() {
    constexpr int kept_bytes = 512 << 20;
    constexpr int mapped_bytes_min = 32 << 20;  // the most that glibc takes
    (void)::mallopt(M_MMAP_THRESHOLD, mapped_bytes_min);
    (void)::mallopt(M_TRIM_THRESHOLD, kept_bytes);
}

}  // namespace

const char* setting(const char* name) {
    return std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
}

std::uint64_t for_each_seed(const SeedCounts& counts,
                            const std::function<void(std::uint64_t)>& run) {
    keep_memory();
    if (setting("MILLRACE_LOG") == nullptr) {
        // Disks fail by the thousand, and the broker tells of each.
        set_log_level(LogLevel::error);
        EXPECT_NE(std::freopen("/dev/null", "w", stderr), nullptr);
    }
    (void)std::signal(SIGABRT, tell_seed);
    (void)std::signal(SIGSEGV, tell_seed);
    const auto range = seeds(counts);
    const bool is_asked = setting("MILLRACE_SEED") != nullptr;
    std::uint64_t done = 0;
    for (auto seed = range.first;
         seed <= range.second && (is_asked || !::testing::Test::HasFailure());
         ++seed) {
        running_seed = static_cast<std::sig_atomic_t>(seed);
        run(seed);
        ++done;
        if (is_asked) {
            tell_progress(done, range);
        }
    }
    return done;
}

}  // namespace millrace::simulation
