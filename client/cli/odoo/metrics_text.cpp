#include "client/cli/odoo/metrics_text.hpp"

#include <charconv>
#include <cmath>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

#include "client/cli/text/usage_error.hpp"
#include "millrace/types.hpp"
#include "storage/base/errc.hpp"

namespace millrace::cli {
namespace {

namespace asio = boost::asio;

constexpr std::size_t answer_bytes_max = 32U << 20U;

/// `{name="value",...}`; false when it is none.
bool parse_labels(std::string_view text, std::map<std::string, std::string>& labels) {
    while (!text.empty()) {
        const auto equals = text.find("=\"");
        const auto end = equals == std::string_view::npos ? equals : text.find('"', equals + 2);
        if (end == std::string_view::npos) {
            return false;
        }
        labels[std::string(text.substr(0, equals))] = text.substr(equals + 2, end - equals - 2);
        text.remove_prefix(end + 1);
        if (text.starts_with(',')) {
            text.remove_prefix(1);
        }
    }
    return true;
}

bool parse_line(std::string_view line, MetricLine& metric) {
    const auto space = line.rfind(' ');
    if (line.empty() || line.front() == '#' || space == std::string_view::npos) {
        return false;
    }
    const auto number = line.substr(space + 1);
    const auto [end, code] =
        std::from_chars(number.data(), number.data() + number.size(), metric.value);
    if (code != std::errc{} || !std::isfinite(metric.value)) {
        return false;
    }
    const auto series = line.substr(0, space);
    const auto brace = series.find('{');
    metric.name = series.substr(0, brace);
    return brace == std::string_view::npos ||
           (series.ends_with('}') &&
            parse_labels(series.substr(brace + 1, series.size() - brace - 2), metric.labels));
}

}  // namespace

std::vector<MetricLine> parse_metrics(std::string_view text) {
    std::vector<MetricLine> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        MetricLine metric;
        if (parse_line(text.substr(0, end), metric)) {
            lines.push_back(std::move(metric));
        }
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

std::string fetch_metrics(const std::string& address) {
    const auto colon = address.rfind(':');
    if (colon == std::string::npos) {
        throw UsageError("--http: \"" + address + "\" is not HOST:PORT");
    }
    try {
        asio::io_context context;
        asio::ip::tcp::socket socket(context);
        asio::ip::tcp::resolver resolver(context);
        asio::connect(socket,
                      resolver.resolve(address.substr(0, colon), address.substr(colon + 1)));
        asio::write(socket,
                    asio::buffer("GET /metrics HTTP/1.0\r\nHost: " + address +
                                 "\r\nConnection: close\r\n\r\n"));
        std::string answer;
        boost::system::error_code error;
        asio::read(socket, asio::dynamic_buffer(answer, answer_bytes_max), error);
        const auto body = answer.find("\r\n\r\n");
        if (body == std::string::npos || answer.find(" 200 ") > body) {
            throw ClientError(static_cast<std::uint16_t>(Errc::unavailable),
                              "unavailable",
                              address + " gives no metrics");
        }
        return answer.substr(body + 4);
    } catch (const boost::system::system_error& error) {
        throw ClientError(static_cast<std::uint16_t>(Errc::connection_lost),
                          "connection_lost",
                          "no metrics from " + address + ": " + error.code().message() +
                              "; --http or MILLRACE_HTTP say where the broker shows them");
    }
}

}  // namespace millrace::cli
