#include "client/src/broker_list.hpp"

#include <algorithm>

namespace millrace::client {
namespace {

constexpr const char* default_port = "7117";

BrokerList::Broker broker_of(const std::string& text) {
    const auto colon = text.rfind(':');
    return {text.substr(0, colon),
            colon == std::string::npos ? default_port : text.substr(colon + 1)};
}

}  // namespace

BrokerList::BrokerList(const std::string& text) {
    for (std::size_t begin = 0; begin <= text.size();) {
        const auto end = std::min(text.find(',', begin), text.size());
        if (end > begin) {
            brokers_.push_back(broker_of(text.substr(begin, end - begin)));
        }
        begin = end + 1;
    }
    if (brokers_.empty()) {
        brokers_.emplace_back("localhost", default_port);
    }
    named_ = brokers_.size();
}

std::size_t BrokerList::place_of(const Broker& broker) {
    auto found = std::ranges::find(brokers_, broker);
    if (found == brokers_.end()) {
        found = brokers_.insert(found, broker);
    }
    return static_cast<std::size_t>(found - brokers_.begin());
}

void BrokerList::learn(const std::vector<std::string>& nodes, bool names_leader) {
    const auto here = brokers_[current_];
    const auto turn = brokers_[turn_];
    brokers_.resize(named_);
    current_ = place_of(here);
    turn_ = place_of(turn);
    for (const auto& node : nodes) {
        const auto place = place_of(broker_of(node));
        if (names_leader && &node == &nodes.front()) {
            leader_ = place;
        }
    }
}

/// One that is named goes first, out of turn: it may be gone. Whom that one names in turn does not:
/// two that are of the cluster no more may name each other.
void BrokerList::advance() {
    const auto named = std::exchange(leader_, std::nullopt);
    if (named && current_ == turn_) {
        current_ = *named;
    } else {
        turn_ = (turn_ + 1) % brokers_.size();
        current_ = turn_;
    }
}

}  // namespace millrace::client
