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
          protocol_(make_peer_protocol(load.protocol, number)),
          socket_(context),
          value_(load.event_bytes, 'x'),
          next_stream_(number) {
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

    LatencyHistogram latency;
    bool is_measuring = false;

  private:
    void fill() {
        const auto now = SteadyClock::now();
        while (protocol_->is_ready() && sent_.size() < load_.outstanding) {
            protocol_->append_publish(out_, next_stream_++ % load_.streams, value_);
            sent_.push_back(now);
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
        const auto now = SteadyClock::now();
        for (; taken.acks > 0; --taken.acks) {
            if (is_measuring) {
                latency.add(micros_between(sent_.front(), now));
            }
            sent_.pop_front();
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
    std::uint32_t next_stream_;
    std::deque<SteadyClock::time_point> sent_;  ///< of those that are not acked
    std::string out_;
    std::string writing_;
    std::string in_;
    bool is_writing_ = false;
};

}  // namespace

PublishFigures run_peer(const PeerLoad& load) {
    asio::io_context context{1};
    std::vector<std::unique_ptr<PeerProducer>> producers;
    for (std::uint32_t number = 0; number < load.producers; ++number) {
        producers.push_back(std::make_unique<PeerProducer>(context, load, number));
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
