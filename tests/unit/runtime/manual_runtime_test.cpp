#include "broker/runtime/manual_runtime.hpp"

#include <chrono>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "storage/io/posix_disk.hpp"

namespace millrace::broker {
namespace {

TEST(ManualRuntime, ConnectIsToldLaterThatThereIsNoNetwork) {
    ManualClock clock;
    storage::PosixDisk disk;
    ManualRuntime runtime(clock, disk);
    std::vector<Errc> told;
    runtime.connect({.address = "127.0.0.1", .port = 7400},
                    std::chrono::seconds(1),
                    [&](const Result<std::shared_ptr<Connection>>& made) -> ConnectionEvents* {
                        told.push_back(made.error().code);
                        return nullptr;
                    });
    EXPECT_TRUE(told.empty());
    runtime.run_until_idle();
    EXPECT_EQ(told, std::vector{Errc::connection_lost});
}

}  // namespace
}  // namespace millrace::broker
