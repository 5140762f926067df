#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "storage/base/clock.hpp"

namespace millrace::broker::odoo {

/// How many calls Odoo gets at a time: one more for every full round that is as fast as usual, a
/// third fewer when calls of a kind take much longer than they can, or conflict.
///
/// Place:    Odoo sleeps between its own retries while it holds a worker, so that more calls than
/// it
///           digests make everything slower.
/// Threads:  one.
class Concurrency {
  public:
    explicit Concurrency(std::size_t connections_max);

    [[nodiscard]] std::size_t limit() const { return static_cast<std::size_t>(limit_); }
    /// A call of `rows` records that began then has been answered.
    struct Answer {
        std::string kind;  ///< calls of a kind and size are compared
        std::size_t rows = 1;
        SteadyTime began;
        SteadyTime ended;
    };
    void on_answer(const Answer& answer);
    /// Odoo met itself: calls under way were too many, or on the same records.
    void on_conflict(SteadyTime began, SteadyTime ended);

  private:
    void shrink(SteadyTime began, SteadyTime ended);

    double connections_max_;
    double limit_;
    SteadyTime last_shrink_{};
    std::map<std::pair<std::string, int>, double> usual_us_;
};

}  // namespace millrace::broker::odoo
