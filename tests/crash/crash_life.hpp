#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/storage/store_fixture.hpp"

namespace millrace::storage::testing {

/// From one call of the disk that is chosen to the next. A life takes several times as long where
/// each memory access is checked.
#ifdef MILLRACE_SANITIZED
inline constexpr std::uint64_t calls_step = 3;
#else
inline constexpr std::uint64_t calls_step = 1;
#endif

enum class Index { lost, kept };
/// What happens at the chosen call of the disk: `for_good` is followed by a loss of power.
struct CrashCase {
    SimDisk::Failure failure;
    Index index;
};
/// The names of the tests' cases.
struct CrashName {
    std::string operator()(const ::testing::TestParamInfo<SimDisk::Failure>& chosen) const;
    std::string operator()(const ::testing::TestParamInfo<CrashCase>& chosen) const;
};
/// All four of them.
[[nodiscard]] std::vector<CrashCase> crash_cases();

/// A store on a simulated disk of its own, with its index in a directory of its own where that is
/// to outlive the store.
class CrashLife {
  public:
    CrashLife(std::uint64_t seed, Index index);
    CrashLife(const CrashLife&) = delete;
    CrashLife& operator=(const CrashLife&) = delete;
    CrashLife(CrashLife&&) = delete;
    CrashLife& operator=(CrashLife&&) = delete;
    ~CrashLife();

    /// The power goes, or the store is closed; the disk is well again afterwards.
    void end(SimDisk::Failure failure);

    StoreFixture fixture;

  private:
    std::filesystem::path directory_;
};

}  // namespace millrace::storage::testing
