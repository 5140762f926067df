#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "tests/unit/client/scripted_answers.hpp"

#include "client/wire/frame.hpp"
#include "client/wire/message.hpp"
#include "client/wire/schema/common_generated.h"

namespace millrace::client::testing {

/// What a client has sent.
struct SentRequest {
    wire::Api api{};
    std::uint32_t correlation = 0;
    std::vector<std::byte> table;

    template <class Table>
    [[nodiscard]] typename Table::NativeTableType as() const {
        return wire::parse_message<Table>(table).value();
    }
};

/// A record as a subscription delivers it.
struct ScriptedDelivery {
    std::uint64_t delivery = 0;
    std::uint32_t partition_id = 0;
    std::string value;
};

/// A broker whose script is the test: it greets and knows its topics; everything else waits until
/// the test asks for it. One connection at a time. What does not come within a long patience
/// throws.
///
/// Threads:  the one that calls; the client under test runs on its own.
class ScriptedNode {
  public:
    ScriptedNode();
    [[nodiscard]] std::string address() const;
    void set_topics(std::vector<NamedPartition> topics) { topics_ = std::move(topics); }
    /// What the topics are waits for the test as everything else does.
    void hold_topics() { knows_topics_ = false; }
    /// Takes the next connection.
    void accept();
    /// Ends the connection, and with it what came on it.
    void drop();
    /// The next request of a kind; those of other kinds wait for their turn.
    [[nodiscard]] SentRequest next(wire::Api api);
    /// What has come and was not asked for.
    [[nodiscard]] const std::deque<SentRequest>& waiting() const { return waiting_; }
    /// What comes until the client closes the connection, with what waits.
    [[nodiscard]] std::vector<SentRequest> rest();

    template <class Native>
    void answer(const SentRequest& request, const Native& message) {
        answer(request, message, {});
    }
    template <class Native>
    void answer(const SentRequest& request, const Native& message, std::span<const std::byte> raw) {
        const std::vector<std::span<const std::byte>> pieces{raw};
        send(wire::format_message(answer_to(request.api, request.correlation), message, pieces));
    }
    /// Answers with success and nothing more.
    void confirm(const SentRequest& request);
    void refuse(const SentRequest& request, Errc code);
    void push(std::uint64_t session, const std::vector<ScriptedDelivery>& deliveries);
    /// Answers the next open and its credit.
    void open_session(std::uint64_t session);

  private:
    /// False at the end of the connection.
    bool receive();
    void handle(const wire::FrameView& frame);
    void send(const std::vector<std::byte>& frame);
    static void wait_for(int descriptor);

    boost::asio::io_context context_;
    boost::asio::ip::tcp::acceptor acceptor_;
    boost::asio::ip::tcp::socket socket_;
    wire::FrameReader reader_;
    std::vector<NamedPartition> topics_;
    bool knows_topics_ = true;
    std::deque<SentRequest> waiting_;
    bool is_greeted_ = false;
};

}  // namespace millrace::client::testing
