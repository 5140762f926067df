#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <utility>

namespace millrace::broker::odoo {

/// What records held when they were last seen, for as many as there is room; the oldest go first.
/// What is forgotten is told once more at worst.
class Remembered {
  public:
    explicit Remembered(std::size_t records_max) : records_max_(records_max) {}

    [[nodiscard]] bool holds(const std::string& reference, const std::string& hash) const {
        const auto found = hashes_.find(reference);
        return found != hashes_.end() && found->second == hash;
    }
    void keep(const std::string& reference, const std::string& hash) {
        const auto [at, is_new] = hashes_.insert_or_assign(reference, hash);
        if (!is_new) {
            return;
        }
        order_.push_back(at->first);
        if (order_.size() > records_max_) {
            hashes_.erase(order_.front());
            order_.pop_front();
        }
    }
    [[nodiscard]] std::size_t size() const { return hashes_.size(); }

  private:
    std::size_t records_max_;
    std::map<std::string, std::string> hashes_;
    std::deque<std::string> order_;
};

}  // namespace millrace::broker::odoo
