#include "broker/peers/peer_stream.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "broker/peers/frame_compression.hpp"

namespace millrace::broker::peers {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;

constexpr std::chrono::seconds answer_timeout{10};
constexpr std::chrono::milliseconds slice{100};
constexpr std::size_t receive_bytes = std::size_t{256} * 1024;

}  // namespace

class PeerStream::Impl {
  public:
    Impl(const Endpoint& endpoint, const std::atomic<bool>& is_stopping)
        : endpoint_(endpoint.address + ":" + std::to_string(endpoint.port)),
          target_(asio::ip::make_address_v4(endpoint.address), endpoint.port),
          is_stopping_(is_stopping) {}

    Result<void> open(const PeerHello& hello) {
        MILLRACE_TRY(wait([this](auto done) { socket_.async_connect(target_, done); }));
        const auto frame = format_hello(hello);
        MILLRACE_TRY(send(frame));
        MILLRACE_TRY(receive(0));
        return ok();
    }

    /// The bytes of the answer. Errors: what was refused; connection_lost, timed_out.
    Result<std::vector<std::byte>> ask(const std::vector<std::byte>& frame,
                                       std::uint32_t correlation) {
        MILLRACE_TRY(send(frame));
        return receive(correlation);
    }

    Result<void> send(const std::vector<std::byte>& frame) {
        return wait([&](auto done) {
            asio::async_write(socket_, asio::buffer(frame), [done](const auto& error, std::size_t) {
                done(error);
            });
        });
    }

  private:
    Result<std::vector<std::byte>> receive(std::uint32_t correlation) {
        std::optional<Result<std::vector<std::byte>>> answer;
        const auto take = [&](const wire::FrameView& frame) {
            if (static_cast<PeerApi>(frame.header.api) == PeerApi::refusal) {
                answer = parse_refusal(frame.raw);
            } else if (frame.header.correlation == correlation) {
                answer = bytes_of(frame);
            }
            return !answer;
        };
        while (!answer) {
            MILLRACE_TRY(const auto bytes, read_some());
            MILLRACE_TRY(reader_.feed(std::span(buffer_).first(bytes), take));
        }
        return std::move(*answer);
    }

    static Result<std::vector<std::byte>> bytes_of(const wire::FrameView& frame) {
        if (static_cast<PeerApi>(frame.header.api) != PeerApi::compressed) {
            return std::vector<std::byte>(frame.raw.begin(), frame.raw.end());
        }
        MILLRACE_TRY(auto plain, parse_compressed(frame.raw));
        return std::move(plain.bytes);
    }

    Result<std::size_t> read_some() {
        std::size_t bytes = 0;
        MILLRACE_TRY(wait([&](auto done) {
            socket_.async_read_some(asio::buffer(buffer_),
                                    [&bytes, done](const auto& error, std::size_t count) {
                                        bytes = count;
                                        done(error);
                                    });
        }));
        return bytes;
    }

    /// Runs one operation to its end, in slices that notice a stop.
    template <class Start>
    Result<void> wait(Start start) {
        std::optional<boost::system::error_code> outcome;
        start([&outcome](const boost::system::error_code& error) { outcome = error; });
        const auto deadline = std::chrono::steady_clock::now() + answer_timeout;
        context_.restart();
        while (!outcome && !is_stopping_ && std::chrono::steady_clock::now() < deadline) {
            context_.run_for(slice);
        }
        if (outcome) {
            return *outcome ? Result<void>(fail(Errc::connection_lost,
                                                endpoint_ + ": " + outcome->message()))
                            : Result<void>(ok());
        }
        boost::system::error_code ignored;
        socket_.close(ignored);
        context_.run();
        return is_stopping_ ? fail(Errc::shutting_down, "the broker is stopping")
                            : fail(Errc::timed_out, endpoint_ + " does not answer");
    }

    std::string endpoint_;
    Tcp::endpoint target_;
    const std::atomic<bool>& is_stopping_;
    asio::io_context context_{1};
    Tcp::socket socket_{context_};
    wire::FrameReader reader_{peer_frame_bytes_max};
    std::vector<std::byte> buffer_ = std::vector<std::byte>(receive_bytes);
};

PeerStream::PeerStream(const Endpoint& endpoint, const std::atomic<bool>& is_stopping)
    : impl_(std::make_unique<Impl>(endpoint, is_stopping)) {}

PeerStream::~PeerStream() = default;

Result<void> PeerStream::open(const PeerHello& hello) {
    return impl_->open(hello);
}

Result<std::vector<std::byte>> PeerStream::ask(const std::vector<std::byte>& frame,
                                               std::uint32_t correlation) {
    return impl_->ask(frame, correlation);
}

Result<void> PeerStream::send(const std::vector<std::byte>& frame) {
    return impl_->send(frame);
}

}  // namespace millrace::broker::peers
