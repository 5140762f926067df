#include "tests/unit/client/scripted_broker.hpp"

#include <array>
#include <memory>
#include <stdexcept>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "tests/unit/client/scripted_answers.hpp"

#include "client/wire/message.hpp"
#include "client/wire/record_batch.hpp"
#include "client/wire/schema/common_generated.h"
#include "client/wire/schema/records_generated.h"

namespace millrace::client::testing {
namespace {

using Tcp = boost::asio::ip::tcp;

constexpr std::uint32_t only_partition = 11;

}  // namespace

ScriptedBroker::ScriptedBroker()
    : acceptor_(context_, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
      socket_(context_) {}

std::string ScriptedBroker::address() const {
    return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
}

void ScriptedBroker::serve_until_publish() {
    acceptor_.accept(socket_);
    while (batches_.empty()) {
        receive();
    }
}

void ScriptedBroker::receive_publish() {
    const auto before = batches_.size();
    while (batches_.size() == before) {
        receive();
    }
}

void ScriptedBroker::receive_metadata() {
    const auto before = metadata_;
    while (metadata_ == before) {
        receive();
    }
}

void ScriptedBroker::receive() {
    const auto before = frames_;
    while (frames_ == before) {
        std::array<std::byte, 65536> bytes{};
        const auto count = socket_.read_some(boost::asio::buffer(bytes));
        const auto fed =
            reader_.feed(std::span(bytes).first(count), [this](const wire::FrameView& frame) {
                ++frames_;
                handle(frame);
                return true;
            });
        if (!fed) {
            throw std::runtime_error(fed.error().text);
        }
    }
}

void ScriptedBroker::handle(const wire::FrameView& frame) {
    const auto api = static_cast<wire::Api>(frame.header.api);
    const auto header = answer_to(api, frame.header.correlation);
    if (api == wire::Api::hello) {
        auto answer = hello_answer();
        answer.producer_id = 1;
        answer.publishes_outstanding_max = grants_.publishes_outstanding_max;
        send(wire::format_message(header, answer));
    } else if (api == wire::Api::metadata) {
        ++metadata_;
        send(wire::format_message(
            header,
            metadata_answer({{.topic = "test.event",
                              .partition_id = only_partition,
                              .record_bytes_max = grants_.record_bytes_max}})));
    } else if (api == wire::Api::publish) {
        take_publish(frame);
    } else {
        throw std::runtime_error("api " + std::to_string(frame.header.api) +
                                 " is not in the script");
    }
}

void ScriptedBroker::take_publish(const wire::FrameView& frame) {
    const auto request = wire::parse_message<wire::PublishRequest>(frame.table).value();
    Publish publish{.correlation = frame.header.correlation, .batches = {}};
    auto raw = frame.raw;
    for (const auto& entry : request.entries) {
        const auto summary = wire::validate_batch(raw.first(entry.batch_bytes())).value();
        publish.batches.push_back({.partition_id = entry.partition_id(),
                                   .producer_id = summary.producer_id,
                                   .base_sequence = summary.base_sequence,
                                   .record_count = summary.record_count,
                                   .epoch = summary.producer_epoch});
        raw = raw.subspan(entry.batch_bytes());
    }
    batches_.insert(batches_.end(), publish.batches.begin(), publish.batches.end());
    unanswered_.push_back(std::move(publish));
}

void ScriptedBroker::answer(std::size_t number, Errc code) {
    const auto publish = std::move(unanswered_.at(number));
    unanswered_.erase(unanswered_.begin() + static_cast<std::ptrdiff_t>(number));
    wire::PublishAnswerT answer;
    for (const auto& batch : publish.batches) {
        answer.acks.emplace_back(next_offset_,
                                 /*append_time_us=*/1,
                                 batch.partition_id,
                                 static_cast<std::uint16_t>(code),
                                 /*duplicate=*/false);
        next_offset_ += code == Errc::ok ? batch.record_count : 0;
    }
    if (grants_.durability != wire::Durability::majority) {
        answer.durabilities.assign(publish.batches.size(), grants_.durability);
    }
    answer.credit = grants_.credit;
    answer.repeats = std::exchange(repeats_, {});
    answered_ += publish.batches.size();
    send(wire::format_message(answer_to(wire::Api::publish, publish.correlation), answer));
}

std::size_t ScriptedBroker::unanswered_batches() const {
    return batches_.size() - answered_;
}

void ScriptedBroker::send(const std::vector<std::byte>& frame) {
    boost::asio::write(socket_, boost::asio::buffer(frame.data(), frame.size()));
}

}  // namespace millrace::client::testing
