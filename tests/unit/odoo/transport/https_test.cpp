#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/outbound/tls_server.hpp"

#include "broker/odoo/transport/http_exchange.hpp"
#include "broker/odoo/transport/odoo_url.hpp"

namespace millrace::broker::odoo {
namespace {

using namespace std::chrono_literals;
using test::PlainServer;
using test::TlsServer;
using testing::HasSubstr;
using testing::Not;

const std::string short_answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

class Https : public testing::Test {
  protected:
    Https() : ca_file(authority.pem()) {}

    HttpOutcome post(const std::string& url,
                     HttpLimits limits = {},
                     const std::string& body = "{}") {
        const bool is_https = url.starts_with("https");
        HttpPoster poster(context, find_odoo(url, is_https ? ca_file.path() : "").value(), limits);
        std::optional<HttpOutcome> outcome;
        poster.post(
            {.path = "/jsonrpc", .headers = {{"Authorization", "bearer s3cret"}}, .body = body},
            [&](HttpOutcome done) { outcome = std::move(done); });
        while (!outcome && context.run_one() > 0) {
        }
        EXPECT_TRUE(outcome);
        return outcome.value_or(Fault{});
    }
    Fault fault_of(const std::string& url, HttpLimits limits = {}) {
        auto outcome = post(url, limits);
        auto* const fault = std::get_if<Fault>(&outcome);
        EXPECT_NE(fault, nullptr);
        auto found = fault != nullptr ? *fault : Fault{};
        EXPECT_THAT(found.error, Not(HasSubstr("s3cret")));
        return found;
    }

    boost::asio::io_context context;
    test::Certificate authority = test::make_authority();
    test::Certificate certificate = test::make_certificate({}, &authority);
    test::TextFile ca_file;
};

TEST_F(Https, ACompleteAnswerCountsThoughItsConnectionIsCut) {
    TlsServer server(context, certificate, {.answer = short_answer});
    const auto outcome = post("https://localhost:" + server.port());
    ASSERT_TRUE(std::holds_alternative<HttpAnswered>(outcome)) << std::get<Fault>(outcome).error;
    EXPECT_EQ(std::get<HttpAnswered>(outcome).body, "{}");
    EXPECT_THAT(server.request(), HasSubstr("Host: localhost:" + server.port() + "\r\n"));
    EXPECT_THAT(server.request(), HasSubstr("Authorization: bearer s3cret\r\n"));
}

TEST_F(Https, AnAnswerThatIsCutIsUnknown) {
    TlsServer server(
        context, certificate, {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"a\":"});
    const auto fault = fault_of("https://localhost:" + server.port());
    EXPECT_EQ(fault.cause, Cause::outcome_unknown);
    EXPECT_EQ(fault.cause_of_read, Cause::outage);
    EXPECT_THAT(fault.error, HasSubstr("connection ended before the answer"));
}

TEST_F(Https, ACallMayBeLarge) {
    const std::string body(std::size_t{1} << 20U, 'x');
    TlsServer server(
        context, certificate, {.answer = short_answer, .request_bytes = body.size() + 100});
    const auto outcome = post("https://localhost:" + server.port(), {}, body);
    ASSERT_TRUE(std::holds_alternative<HttpAnswered>(outcome)) << std::get<Fault>(outcome).error;
    EXPECT_TRUE(server.request().ends_with(body));
}

TEST_F(Https, AServerThatIsNotTrustedIsToBeSetAndGetsNoKey) {
    TlsServer server(context, test::make_certificate({.names = "DNS:other"}, &authority), {});
    const auto fault = fault_of("https://localhost:" + server.port());
    EXPECT_EQ(fault.cause, Cause::configuration);
    EXPECT_EQ(fault.error,
              "cannot speak TLS with Odoo at localhost:" + server.port() +
                  ": its certificate is not for \"localhost\": use a name that stands in the "
                  "certificate");
    EXPECT_EQ(server.request(), "");
}

TEST_F(Https, ASilentHandshakeIsAnOutage) {
    PlainServer server(context, "", PlainServer::Then::is_silent);
    const auto fault = fault_of("https://localhost:" + server.port(), {.connect_timeout = 200ms});
    EXPECT_EQ(fault.cause, Cause::outage);
    EXPECT_THAT(fault.error,
                HasSubstr("cannot reach Odoo at localhost:" + server.port() +
                          ": no answer to the TLS handshake in time"));
}

TEST_F(Https, NoAnswerInTimeIsUnknownAsWithHttp) {
    TlsServer server(context, certificate, {.request_bytes = std::size_t{1} << 20U});
    const auto fault = fault_of("https://localhost:" + server.port(), {.call_timeout = 200ms});
    EXPECT_EQ(fault.cause, Cause::outcome_unknown);
    EXPECT_THAT(fault.error, HasSubstr("in time"));
}

TEST_F(Https, AServerThatWantsACertificateOfOursIsToBeSet) {
    TlsServer server(context, certificate, {.wants_certificate = true});
    const auto fault = fault_of("https://localhost:" + server.port());
    EXPECT_EQ(fault.cause, Cause::configuration);
    EXPECT_THAT(fault.error, HasSubstr("wants a certificate from us"));
}

TEST_F(Https, HttpToAPortOfTlsIsToBeSet) {
    // An alert: what some servers say; others answer in http or close.
    const std::string alert("\x15\x03\x01\x00\x02\x02\x46", 7);
    PlainServer server(context, alert, PlainServer::Then::closes);
    const auto fault = fault_of("http://localhost:" + server.port());
    EXPECT_EQ(fault.cause, Cause::configuration);
    EXPECT_THAT(fault.error, HasSubstr("begins with https://"));
}

}  // namespace
}  // namespace millrace::broker::odoo
