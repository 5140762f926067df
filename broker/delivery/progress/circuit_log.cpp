#include "broker/delivery/progress/circuit_log.hpp"

#include <utility>

#include "broker/delivery/cbor.hpp"

namespace millrace::broker::delivery {

nlohmann::json to_json(const CircuitChange& change) {
    return {change.time_us,
            static_cast<int>(change.from),
            static_cast<int>(change.to),
            static_cast<int>(change.cause),
            cbor_bytes(change.reason)};
}

CircuitChange circuit_change_from(const nlohmann::json& json) {
    return {.time_us = integer_of<UnixMicros>(json.at(0)),
            .from = enumerator_of(json.at(1), Circuit::half_open),
            .to = enumerator_of(json.at(2), Circuit::half_open),
            .cause = enumerator_of(json.at(3), last_cause),
            .reason = cbor_text(json.at(4))};
}

void CircuitLog::add(CircuitChange change) {
    changes_.push_back(std::move(change));
    if (changes_.size() > changes_max) {
        changes_.pop_front();
    }
    is_changed_ = true;
}

std::string CircuitLog::take_row() {
    if (!std::exchange(is_changed_, false)) {
        return {};
    }
    auto json = nlohmann::json::array();
    for (const auto& change : changes_) {
        json.push_back(to_json(change));
    }
    std::string row;
    nlohmann::json::to_cbor(json, row);
    return row;
}

Result<void> CircuitLog::restore(std::string_view row) {
    changes_.clear();
    try {
        for (const auto& change : parse_cbor(std::as_bytes(std::span(row)))) {
            changes_.push_back(circuit_change_from(change));
        }
    } catch (const nlohmann::json::exception& error) {
        changes_.clear();
        return fail(Errc::corrupt,
                    std::string("changes of a circuit do not parse: ") + error.what());
    }
    return ok();
}

}  // namespace millrace::broker::delivery
