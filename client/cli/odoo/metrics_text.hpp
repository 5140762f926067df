#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// One line of metrics in Prometheus' text format.
struct MetricLine {
    std::string name;
    std::map<std::string, std::string> labels;
    double value = 0;
};
/// Lines that cannot be read are left out.
[[nodiscard]] std::vector<MetricLine> parse_metrics(std::string_view text);

/// What GET /metrics of the broker answers. Throws ClientError when it does not.
[[nodiscard]] std::string fetch_metrics(const std::string& address);

}  // namespace millrace::cli
