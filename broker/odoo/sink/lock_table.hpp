#pragma once

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace millrace::broker::odoo {

/// Names that a call holds while it is under way: lanes, and records that it writes.
///
/// Promise:  nothing is held that a guard of this table does not hold; guards outlive the table
///           harmlessly.
/// Threads:  one.
class LockTable {
  public:
    class Guard {
      public:
        Guard() = default;
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;
        Guard(Guard&&) noexcept = default;
        Guard& operator=(Guard&& other) noexcept {
            release();
            held_ = std::move(other.held_);
            names_ = std::move(other.names_);
            return *this;
        }
        ~Guard() { release(); }

        /// Holds a name too; one that this guard holds already counts once.
        void add(const std::string& name) {
            if (held_->insert(name).second) {
                names_.push_back(name);
            }
        }

      private:
        friend class LockTable;
        explicit Guard(std::shared_ptr<std::set<std::string>> held) : held_(std::move(held)) {}
        void release() noexcept {
            for (const auto& name : std::exchange(names_, {})) {
                held_->erase(name);
            }
        }
        std::shared_ptr<std::set<std::string>> held_;
        std::vector<std::string> names_;
    };

    [[nodiscard]] Guard guard() const { return Guard(held_); }
    [[nodiscard]] bool is_held(const std::string& name) const { return held_->contains(name); }
    [[nodiscard]] std::size_t size() const { return held_->size(); }

  private:
    std::shared_ptr<std::set<std::string>> held_ = std::make_shared<std::set<std::string>>();
};

}  // namespace millrace::broker::odoo
