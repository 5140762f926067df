#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "broker/delivery/queue/engine.hpp"

namespace millrace::broker::delivery {

/// One call of `settle` that waits for its commands.
struct Engine::Pending {
    std::vector<std::uint64_t> stale;
    std::optional<Error> error;
    std::size_t outstanding = 1;
    SettleDone done;

    void end_one(const Result<std::vector<std::uint64_t>>& part) {
        if (!part) {
            error = part.error();
        }
        end_one();
    }
    void end_one() {
        if (--outstanding > 0 || !done) {
            return;
        }
        if (error) {
            done(*error);
        } else {
            done(std::move(stale));
        }
    }
};

}  // namespace millrace::broker::delivery
