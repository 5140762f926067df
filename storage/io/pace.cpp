#include "storage/io/pace.hpp"

#include <algorithm>
#include <thread>

namespace millrace::storage {
namespace {

constexpr std::chrono::milliseconds rest_max{50};
constexpr std::chrono::milliseconds rest_min{1};  ///< less is not worth a system call

}  // namespace

Result<void> Pace::spend(std::uint64_t bytes) {
    spent_ += bytes;
    const auto due =
        bytes_per_second_ == 0
            ? begin_
            : begin_ + std::chrono::microseconds(spent_ * 1'000'000 / bytes_per_second_);
    while (!is_stopping_.load(std::memory_order_relaxed)) {
        const auto left = due - std::chrono::steady_clock::now();
        if (left <= rest_min) {
            return ok();
        }
        std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, rest_max));
    }
    return fail(Errc::shutting_down, "the store is closing");
}

}  // namespace millrace::storage
