#include "tests/unit/client/scripted_node.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <poll.h>

#include "client/wire/record.hpp"
#include "client/wire/schema/subscriptions_generated.h"

namespace millrace::client::testing {
namespace {

using Tcp = boost::asio::ip::tcp;
using wire::Api;

constexpr std::chrono::milliseconds patience{30'000};

}  // namespace

ScriptedNode::ScriptedNode()
    : acceptor_(context_, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
      socket_(context_) {}

std::string ScriptedNode::address() const {
    return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
}

void ScriptedNode::wait_for(int descriptor) {
    pollfd waited{.fd = descriptor, .events = POLLIN, .revents = 0};
    if (::poll(&waited, 1, static_cast<int>(patience.count())) == 0) {
        throw std::runtime_error("the client does not send what the script expects");
    }
}

void ScriptedNode::accept() {
    wait_for(acceptor_.native_handle());
    socket_ = acceptor_.accept();
    reader_ = wire::FrameReader();
    waiting_.clear();
    is_greeted_ = false;
}

void ScriptedNode::drop() {
    socket_.close();
    waiting_.clear();
}

bool ScriptedNode::receive() {
    wait_for(socket_.native_handle());
    std::array<std::byte, 65536> bytes{};
    boost::system::error_code error;
    const auto count = socket_.read_some(boost::asio::buffer(bytes), error);
    if (error) {
        return false;
    }
    const auto fed =
        reader_.feed(std::span(bytes).first(count), [this](const wire::FrameView& frame) {
            handle(frame);
            return true;
        });
    if (!fed) {
        throw std::runtime_error(fed.error().text);
    }
    return true;
}

void ScriptedNode::handle(const wire::FrameView& frame) {
    const SentRequest request{.api = static_cast<Api>(frame.header.api),
                              .correlation = frame.header.correlation,
                              .table = {frame.table.begin(), frame.table.end()}};
    if (request.api == Api::hello && !std::exchange(is_greeted_, true)) {
        answer(request, hello_answer());
    } else if (request.api == Api::metadata && knows_topics_) {
        answer(request, metadata_answer(topics_));
    } else {
        waiting_.push_back(request);
    }
}

SentRequest ScriptedNode::next(Api api) {
    while (true) {
        const auto found = std::ranges::find(waiting_, api, &SentRequest::api);
        if (found != waiting_.end()) {
            auto request = std::move(*found);
            waiting_.erase(found);
            return request;
        }
        if (!receive()) {
            throw std::runtime_error("the client has closed the connection");
        }
    }
}

std::vector<SentRequest> ScriptedNode::rest() {
    while (receive()) {
    }
    const auto all = std::exchange(waiting_, {});
    return {all.begin(), all.end()};
}

void ScriptedNode::confirm(const SentRequest& request) {
    if (request.api == Api::hello) {
        answer(request, hello_answer());
    } else {
        answer(request, wire::DoneT{});
    }
}

void ScriptedNode::refuse(const SentRequest& request, Errc code) {
    wire::DoneT done;
    done.error = std::make_unique<wire::ErrorT>();
    done.error->code = static_cast<std::uint16_t>(code);
    done.error->retryable = is_retryable(code);
    done.error->text = "the script refuses";
    answer(request, done);
}

void ScriptedNode::push(std::uint64_t session, const std::vector<ScriptedDelivery>& deliveries) {
    wire::DeliveriesT message;
    message.session_id = session;
    std::vector<std::vector<std::byte>> records;
    for (const auto& one : deliveries) {
        records.push_back(wire::format_plain_record(
            {.key = std::nullopt, .value = one.value, .headers = {}, .event_time_us = 1}));
        message.entries.emplace_back(one.delivery,
                                     /*offset=*/one.delivery,
                                     /*append_time_us=*/1,
                                     one.partition_id,
                                     /*attempt=*/1,
                                     static_cast<std::uint32_t>(records.back().size()));
    }
    const std::vector<std::span<const std::byte>> raw(records.begin(), records.end());
    send(wire::format_message(
        {.api = static_cast<std::uint16_t>(Api::deliveries), .flags = wire::FrameHeader::flag_push},
        message,
        raw));
}

void ScriptedNode::open_session(std::uint64_t session) {
    wire::SubscriptionOpenAnswerT opened;
    opened.session_id = session;
    answer(next(Api::subscription_open), opened);
    confirm(next(Api::subscription_credit));
}

void ScriptedNode::send(const std::vector<std::byte>& frame) {
    boost::asio::write(socket_, boost::asio::buffer(frame.data(), frame.size()));
}

}  // namespace millrace::client::testing
