#include "broker/outbound/client_stream.hpp"

#include <cstdlib>
#include <memory>
#include <optional>

#include <boost/asio/buffer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/outbound/tls_server.hpp"

#include "broker/outbound/tls_trust.hpp"

namespace millrace::broker {
namespace {

using namespace std::chrono_literals;
using test::PlainServer;
using test::TlsServer;
using testing::HasSubstr;

class ClientStreamTest : public testing::Test {
  protected:
    [[nodiscard]] std::shared_ptr<TlsTrust> trust_in(const test::Certificate& certificate) {
        file = std::make_unique<test::TextFile>(certificate.pem());
        return TlsTrust::load(file->path(), "ca_file").value();
    }
    /// Opens, writes a word when it can, and gives what went wrong, or an empty text.
    std::string open(const Peer& peer, std::chrono::milliseconds timeout = 5s) {
        ClientStream stream(context, peer);
        std::optional<OpenFault> fault;
        bool is_opened = false;
        stream.open(timeout, [&](const std::optional<OpenFault>& found) {
            is_opened = true;
            fault = found;
            if (!fault) {
                write_word(stream);
            }
        });
        context.run();
        EXPECT_TRUE(is_opened);
        is_configuration = fault && fault->is_configuration;
        return fault ? fault->reason : "";
    }

    void write_word(ClientStream& stream) const {
        boost::asio::async_write(
            stream, boost::asio::buffer(word), [](boost::system::error_code, std::size_t) {});
    }

    boost::asio::io_context context;
    std::unique_ptr<test::TextFile> file;
    test::Certificate authority = test::make_authority();
    std::string word = "word";
    bool is_configuration = false;
};

TEST_F(ClientStreamTest, SpeaksWithAServerThatTheFileTrusts) {
    TlsServer server(context, test::make_certificate({}, &authority), {});
    EXPECT_EQ(open({.host = "localhost", .port = server.port(), .trust = trust_in(authority)}), "");
    EXPECT_EQ(server.request(), "word");
    EXPECT_EQ(server.asked_for(), "localhost") << "proxies choose the certificate by this name";
}

TEST_F(ClientStreamTest, SpeaksWithAnAddressThatStandsInTheCertificate) {
    TlsServer server(context, test::make_certificate({}, &authority), {});
    EXPECT_EQ(open({.host = "127.0.0.1", .port = server.port(), .trust = trust_in(authority)}), "");
    EXPECT_EQ(server.request(), "word");
    EXPECT_EQ(server.asked_for(), "") << "a number is no name";
}

TEST_F(ClientStreamTest, SpeaksWithAServerThatTheSystemTrusts) {
    const test::TextFile bundle(authority.pem());
    setenv("SSL_CERT_FILE", bundle.path().c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    const auto trust = TlsTrust::load("", "ca_file").value();
    unsetenv("SSL_CERT_FILE");  // NOLINT(concurrency-mt-unsafe)
    TlsServer server(context, test::make_certificate({}, &authority), {});
    EXPECT_EQ(open({.host = "localhost", .port = server.port(), .trust = trust}), "");
}

TEST_F(ClientStreamTest, TheFileMayHaveAnIssuerBelowAnother) {
    const auto issuer = test::make_authority(&authority);
    TlsServer server(
        context, test::make_certificate({}, &issuer), TlsServer::Options{.chain = issuer.pem()});
    EXPECT_EQ(open({.host = "localhost", .port = server.port(), .trust = trust_in(issuer)}), "");
}

TEST_F(ClientStreamTest, AnIssuerThatTheFileDoesNotHaveIsRefused) {
    TlsServer server(context, test::make_certificate({}, &authority), {});
    const auto reason = open(
        {.host = "localhost", .port = server.port(), .trust = trust_in(test::make_authority())});
    EXPECT_TRUE(is_configuration);
    EXPECT_EQ(
        reason,
        "its certificate was issued by none of the CAs in " + file->path() + ": correct ca_file");
    EXPECT_EQ(server.request(), "") << "nothing was sent";
}

TEST_F(ClientStreamTest, AnIssuerThatTheSystemDoesNotKnowIsRefused) {
    TlsServer server(context, test::make_certificate({}, &authority), {});
    const auto reason = open({.host = "localhost",
                              .port = server.port(),
                              .trust = TlsTrust::load("", "odoo_ca_file").value()});
    EXPECT_TRUE(is_configuration);
    EXPECT_THAT(reason, HasSubstr("none of the CAs that this system trusts"));
    EXPECT_THAT(reason, HasSubstr("odoo_ca_file"));
}

TEST_F(ClientStreamTest, ACertificateThatSignedItselfIsRefusedUnlessTheFileHasIt) {
    const auto own = test::make_certificate({});
    TlsServer first(context, own, {});
    const auto reason =
        open({.host = "localhost", .port = first.port(), .trust = trust_in(authority)});
    EXPECT_TRUE(is_configuration);
    EXPECT_THAT(reason, HasSubstr("issued by none of the CAs"));
    context.restart();
    TlsServer second(context, own, {});
    EXPECT_EQ(open({.host = "localhost", .port = second.port(), .trust = trust_in(own)}), "");
}

TEST_F(ClientStreamTest, ACertificateForAnotherNameIsRefused) {
    for (const auto& [host, names] : {std::pair{"localhost", "DNS:odoo.plant1.example"},
                                      std::pair{"localhost", "DNS:local*"},
                                      std::pair{"127.0.0.1", "DNS:localhost,IP:127.0.0.2"},
                                      std::pair{"127.0.0.1", "DNS:127.0.0.1"}}) {
        context.restart();
        TlsServer server(context, test::make_certificate({.names = names}, &authority), {});
        const auto reason =
            open({.host = host, .port = server.port(), .trust = trust_in(authority)});
        EXPECT_TRUE(is_configuration) << names;
        EXPECT_THAT(reason, HasSubstr("not for \"" + std::string(host) + "\"")) << names;
        EXPECT_EQ(server.request(), "");
    }
}

TEST_F(ClientStreamTest, ACertificateBeforeOrAfterItsTimeIsRefused) {
    TlsServer expired(context, test::make_certificate({.valid_until_s = -60}, &authority), {});
    EXPECT_THAT(open({.host = "localhost", .port = expired.port(), .trust = trust_in(authority)}),
                HasSubstr("has expired"));
    EXPECT_TRUE(is_configuration);
    context.restart();
    TlsServer early(context, test::make_certificate({.valid_from_s = 600}, &authority), {});
    EXPECT_THAT(open({.host = "localhost", .port = early.port(), .trust = trust_in(authority)}),
                HasSubstr("not valid yet"));
    EXPECT_TRUE(is_configuration);
}

TEST_F(ClientStreamTest, AServerThatAnswersInPlainHttpIsToBeSet) {
    PlainServer server(context, "HTTP/1.1 400 Bad Request\r\n\r\n", PlainServer::Then::closes);
    EXPECT_THAT(open({.host = "localhost", .port = server.port(), .trust = trust_in(authority)}),
                HasSubstr("no TLS is spoken there"));
    EXPECT_TRUE(is_configuration);
}

TEST_F(ClientStreamTest, AHandshakeThatIsCutIsAnOutage) {
    PlainServer server(context, "", PlainServer::Then::closes);
    EXPECT_THAT(open({.host = "localhost", .port = server.port(), .trust = trust_in(authority)}),
                HasSubstr("the connection ended in the TLS handshake"));
    EXPECT_FALSE(is_configuration);
}

TEST_F(ClientStreamTest, ASilentServerIsAnOutageAfterTheLimitOfTime) {
    PlainServer server(context, "", PlainServer::Then::is_silent);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THAT(
        open({.host = "localhost", .port = server.port(), .trust = trust_in(authority)}, 200ms),
        HasSubstr("no answer to the TLS handshake in time"));
    EXPECT_FALSE(is_configuration);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 5s);
}

TEST_F(ClientStreamTest, NobodyWhoListensIsAnOutage) {
    std::string port;
    {
        const PlainServer server(context, "", PlainServer::Then::closes);
        port = server.port();
    }
    EXPECT_THAT(open({.host = "127.0.0.1", .port = port, .trust = trust_in(authority)}),
                HasSubstr("Connection refused"));
    EXPECT_FALSE(is_configuration);
}

TEST_F(ClientStreamTest, ClosingEndsAHandshake) {
    PlainServer server(context, "", PlainServer::Then::is_silent);
    ClientStream stream(context,
                        {.host = "localhost", .port = server.port(), .trust = trust_in(authority)});
    bool has_failed = false;
    stream.open(60s, [&](const std::optional<OpenFault>& fault) { has_failed = bool(fault); });
    boost::asio::steady_timer timer(context, 50ms);
    timer.async_wait([&](boost::system::error_code) { stream.close(); });
    context.run_for(10s);
    EXPECT_TRUE(has_failed);
}

TEST_F(ClientStreamTest, ClosingBeforeTheHostIsFoundConnectsToNobody) {
    PlainServer server(context, "", PlainServer::Then::closes);
    ClientStream stream(context, {.host = "127.0.0.1", .port = server.port()});
    bool has_failed = false;
    stream.open(5s, [&](const std::optional<OpenFault>& fault) { has_failed = bool(fault); });
    stream.close();
    while (!has_failed && context.run_one_for(10s) > 0) {
    }
    EXPECT_TRUE(has_failed);
}

}  // namespace
}  // namespace millrace::broker
