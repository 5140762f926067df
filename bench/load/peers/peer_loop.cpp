#include "bench/load/peers/peer_loop.hpp"

#include <deque>
#include <stdexcept>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "bench/load/peers/peer_protocol.hpp"
#include "bench/load/works/closed_loop.hpp"

namespace millrace::bench {
namespace {

namespace asio = boost::asio;
using SteadyClock = std::chrono::steady_clock;
using Tcp = asio::ip::tcp;

/// One connection: what may go is gathered while a write is under way.
class PeerProducer {
  public:
    PeerProducer(asio::io_context& context, const PeerLoad& load, std::uint32_t number)
        : load_(load),
          protocol_(
              make_peer_protocol(load.protocol, {.connection = number, .streams = load.streams})),
          socket_(context),
          value_(load.event_bytes, 'x'),
          number_(number) {
        if (!protocol_) {
            throw std::runtime_error("no protocol is named \"" + load.protocol + "\"");
        }
        asio::connect(socket_, Tcp::resolver(context).resolve(load.host, load.port));
        socket_.set_option(Tcp::no_delay(true));
        out_ = protocol_->greeting();
        fill();
        write();
        read();
    }

    [[nodiscard]] bool is_ready() const { return protocol_->is_ready(); }

    LatencyHistogram latency;
    bool is_measuring = false;

  private:
    void fill() {
        const auto now = SteadyClock::now();
        for (; protocol_->is_ready() && outstanding_ < load_.outstanding; ++outstanding_) {
            const auto turn = next_event_++ / load_.in_a_row;
            protocol_->append_publish(out_, (number_ + turn) % load_.streams, value_);
            sent_.push_back({.at = now});
        }
        protocol_->append_gathered(out_);
    }

    void settle(std::uint64_t event) {
        auto& sent = sent_.at(event - first_event_);
        if (is_measuring) {
            latency.add(micros_between(sent.at, SteadyClock::now()));
        }
        sent.is_acked = true;
        --outstanding_;
        for (; !sent_.empty() && sent_.front().is_acked; ++first_event_) {
            sent_.pop_front();
        }
    }

    void write() {
        if (is_writing_ || out_.empty()) {
            return;
        }
        is_writing_ = true;
        writing_.swap(out_);
        out_.clear();
        asio::async_write(socket_,
                          asio::buffer(writing_),
                          [this](const boost::system::error_code& error, std::size_t /*bytes*/) {
                              check(error);
                              is_writing_ = false;
                              write();
                          });
    }

    void read() {
        constexpr std::size_t read_bytes = 256UL * 1024;
        const auto kept = in_.size();
        in_.resize(kept + read_bytes);
        socket_.async_read_some(
            asio::buffer(in_.data() + kept, read_bytes),
            [this, kept](const boost::system::error_code& error, std::size_t bytes) {
                check(error);
                in_.resize(kept + bytes);
                on_answers();
                read();
            });
    }

    void on_answers() {
        std::string_view rest(in_);
        auto taken = protocol_->take(rest);
        in_.erase(0, in_.size() - rest.size());
        out_ += taken.reply;
        for (; taken.acks > 0; --taken.acks) {
            settle(first_event_);
        }
        for (const auto event : taken.events) {
            settle(event);
        }
        fill();
        write();
    }

    static void check(const boost::system::error_code& error) {
        if (error) {
            throw boost::system::system_error(error, "the peer's connection");
        }
    }

    const PeerLoad& load_;
    std::unique_ptr<PeerProtocol> protocol_;
    Tcp::socket socket_;
    std::string value_;
    std::uint32_t number_;
    std::uint32_t next_event_ = 0;
    struct Sent {
        SteadyClock::time_point at;
        bool is_acked = false;
    };
    std::deque<Sent> sent_;  ///< from the oldest that is not acked
    std::uint64_t first_event_ = 0;
    std::uint32_t outstanding_ = 0;
    std::string out_;
    std::string writing_;
    std::string in_;
    bool is_writing_ = false;
};

void wait_until_ready(asio::io_context& context, const PeerProducer& producer) {
    constexpr std::chrono::seconds wait_max{60};
    const auto end = SteadyClock::now() + wait_max;
    while (!producer.is_ready()) {
        if (SteadyClock::now() > end) {
            throw std::runtime_error("the peer was not ready within a minute");
        }
        context.run_for(std::chrono::milliseconds(10));
    }
}

}  // namespace

PublishFigures run_peer(const PeerLoad& load) {
    asio::io_context context{1};
    std::vector<std::unique_ptr<PeerProducer>> producers;
    for (std::uint32_t number = 0; number < load.producers; ++number) {
        // The first one makes what is published to.
        producers.push_back(std::make_unique<PeerProducer>(context, load, number));
        wait_until_ready(context, *producers.back());
    }
    context.run_for(load.warm_up);
    for (const auto& producer : producers) {
        producer->is_measuring = true;
    }
    const auto begin = SteadyClock::now();
    context.run_for(load.duration);
    const auto measured_us = micros_between(begin, SteadyClock::now());
    PublishFigures figures;
    for (const auto& producer : producers) {
        figures.latency.merge(producer->latency);
    }
    figures.events_per_second =
        static_cast<double>(figures.latency.count()) * 1e6 / static_cast<double>(measured_us);
    return figures;
}

}  // namespace millrace::bench
