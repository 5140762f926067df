#include "broker/runtime/uring_connection.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include <unistd.h>

#include "broker/runtime/uring_network.hpp"

namespace millrace::broker {
namespace {

/// Above this a sender is told when there is room again.
constexpr std::size_t low_mark_bytes = std::size_t{256} * 1024;
/// A peer that takes nothing holds up the end of its connection no longer than this.
constexpr std::chrono::milliseconds close_wait{1'000};

}  // namespace

UringConnection::UringConnection(Ring& ring,
                                 ReceiveBuffers& buffers,
                                 int descriptor,
                                 std::string peer,
                                 std::function<void()> on_gone)
    : ring_(ring),
      buffers_(buffers),
      descriptor_(descriptor),
      file_(ring.tables(), descriptor),
      peer_(std::move(peer)),
      on_gone_(std::move(on_gone)),
      receive_operation_(*this, &UringConnection::on_received),
      send_operation_(*this, &UringConnection::on_sent),
      close_timer_(ring, [this] { on_close_timer(); }) {}

UringConnection::~UringConnection() {
    let_go();
}

void UringConnection::let_go() {
    if (descriptor_ < 0) {
        return;
    }
    is_gone_ = true;
    is_shut_ = true;
    events_ = nullptr;
    file_.release();
    ::close(std::exchange(descriptor_, -1));
}

void UringConnection::start(ConnectionEvents& events) {
    events_ = &events;
    receive();
}

void UringConnection::receive() {
    if (is_receiving_ || is_paused_ || is_shut_) {
        return;
    }
    is_receiving_ = true;
    auto* const entry = ring_.prepare(&receive_operation_);
    io_uring_prep_recv_multishot(entry, descriptor_, nullptr, 0, 0);
    file_.apply(*entry);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = ReceiveBuffers::group;
}

void UringConnection::tell_bytes(std::span<const std::byte> bytes) {
    if (!closing_ && events_ != nullptr) {
        tell([bytes](ConnectionEvents& events) { events.on_bytes(bytes); });
    }
}

void UringConnection::on_received(std::int32_t result, std::uint32_t flags) {
    const auto self = shared_from_this();
    if ((flags & IORING_CQE_F_MORE) == 0) {
        is_receiving_ = false;
    }
    if ((flags & IORING_CQE_F_BUFFER) != 0) {
        const auto number = static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
        if (result > 0) {
            tell_bytes(buffers_.bytes(number).first(static_cast<std::size_t>(result)));
        }
        buffers_.give_back(number);
    }
    if (result == 0) {
        abort(fail(Errc::connection_lost, "closed by the peer"));
    } else if (result < 0 && result != -ENOBUFS && result != -ECANCELED) {
        abort(fail(Errc::connection_lost, std::generic_category().message(-result), -result));
    }
    receive();
    end_when_quiet();
}

void UringConnection::send(std::vector<std::byte> bytes) {
    queue({std::move(bytes)});
}

void UringConnection::send(SharedBytes bytes) {
    queue({std::move(bytes)});
}

void UringConnection::queue(Queued queued) {
    const auto bytes = queued.bytes().size();
    if (is_shut_ || bytes == 0) {
        return;
    }
    unsent_bytes_ += bytes;
    wants_writable_ |= unsent_bytes_ > low_mark_bytes;
    queue_.push_back(std::move(queued));
}

void UringConnection::flush() {
    if (is_sending_ || queue_.empty() || is_shut_) {
        return;
    }
    const auto count = std::min(queue_.size(), pieces_max);
    for (std::size_t i = 0; i < count; ++i) {
        const auto skip = i == 0 ? sent_of_first_ : 0;
        const auto bytes = queue_[i].bytes().subspan(skip);
        // The kernel only reads what it sends.
        pieces_[i] = {.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
    }
    message_ = {};
    message_.msg_iov = pieces_.data();
    message_.msg_iovlen = count;
    is_sending_ = true;
    auto* const entry = ring_.prepare(&send_operation_);
    io_uring_prep_sendmsg(entry, descriptor_, &message_, MSG_NOSIGNAL);
    file_.apply(*entry);
}

void UringConnection::on_sent(std::int32_t result, std::uint32_t /*flags*/) {
    const auto self = shared_from_this();
    is_sending_ = false;
    if (result < 0) {
        abort(fail(Errc::connection_lost, std::generic_category().message(-result), -result));
        return;
    }
    auto left = static_cast<std::size_t>(result);
    unsent_bytes_ -= left;
    while (left > 0) {
        const auto rest = queue_.front().bytes().size() - sent_of_first_;
        if (left < rest) {
            sent_of_first_ += left;
            break;
        }
        left -= rest;
        sent_of_first_ = 0;
        queue_.pop_front();
    }
    if (wants_writable_ && unsent_bytes_ <= low_mark_bytes && !closing_ && events_ != nullptr) {
        wants_writable_ = false;
        tell([](ConnectionEvents& events) { events.on_writable(); });
    }
    flush();
    if (closing_ && queue_.empty()) {
        begin_close();
    }
    end_when_quiet();
}

void UringConnection::pause_reading() {
    if (!is_paused_ && is_receiving_ && !is_shut_) {
        io_uring_prep_cancel(ring_.prepare(nullptr), &receive_operation_, 0);
    }
    is_paused_ = true;
}

void UringConnection::resume_reading() {
    is_paused_ = false;
    receive();
}

void UringConnection::close(Error reason) {
    if (closing_) {
        return;
    }
    closing_ = std::move(reason);
    if (queue_.empty() && !is_sending_) {
        begin_close();
        end_when_quiet();
    } else if (!is_shut_) {
        close_timer_.start(close_wait);
    }
}

void UringConnection::on_close_timer() {
    const auto self = shared_from_this();
    begin_close();
    end_when_quiet();
}

void UringConnection::abort(Error reason) {
    if (!closing_) {
        closing_ = std::move(reason);
    }
    begin_close();
    // One that is paused has nothing in the kernel whose completion would bring the end.
    end_when_quiet();
}

void UringConnection::begin_close() {
    if (is_shut_) {
        return;
    }
    is_shut_ = true;
    ::shutdown(descriptor_, SHUT_RDWR);
    close_timer_.cancel();
    if (is_receiving_) {
        io_uring_prep_cancel(ring_.prepare(nullptr), &receive_operation_, 0);
    }
}

void UringConnection::end_when_quiet() {
    if (!is_shut_ || is_receiving_ || is_sending_ || close_timer_.is_running() || is_gone_ ||
        is_telling_) {
        return;
    }
    auto* const events = events_;
    let_go();
    if (events != nullptr) {
        events->on_closed(*closing_);
    }
    on_gone_();
}

}  // namespace millrace::broker
