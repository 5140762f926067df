#include "broker/peers/complaints.hpp"

namespace millrace::broker::peers {

bool Complaints::is_due(const std::string& complaint, SteadyTime now) {
    std::erase_if(said_, [now](const auto& row) { return now - row.second >= rest; });
    return said_.size() < count_max && said_.emplace(complaint, now).second;
}

}  // namespace millrace::broker::peers
