#pragma once

#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "client/src/connection.hpp"
#include "millrace/client.hpp"

namespace millrace::client {

[[noreturn]] void throw_error(const Error& error);
[[nodiscard]] std::exception_ptr to_exception(const Error& error);
[[nodiscard]] Error from_wire(const wire::ErrorT& error);

/// A part that an answer without an error has. A broker that leaves it out is not to be trusted:
/// throws malformed.
template <class Part>
[[nodiscard]] const Part& require(const std::unique_ptr<Part>& part, const char* name) {
    if (!part) {
        throw_error(fail(Errc::malformed, std::string("the broker's answer holds no ") + name));
    }
    return *part;
}

/// An answer that is kept: the table's bytes and the record bytes.
struct KeptAnswer {
    std::vector<std::byte> table;
    std::vector<std::byte> raw;
};

/// What everything made by one Client shares: the io thread, the connection, what is known of
/// topics.
///
/// Threads:  any; the connection is touched on the io thread only.
class Core : public std::enable_shared_from_this<Core> {
  public:
    /// The last reference may go in a callback on the io thread, which can't wait for its own end:
    /// then another thread does.
    [[nodiscard]] static std::shared_ptr<Core> make(ClientOptions options);
    explicit Core(ClientOptions options);
    Core(const Core&) = delete;
    Core& operator=(const Core&) = delete;
    Core(Core&&) = delete;
    Core& operator=(Core&&) = delete;
    ~Core();  // NOLINT(bugprone-exception-escape): see its definition

    [[nodiscard]] const ClientOptions& options() const { return options_; }
    [[nodiscard]] boost::asio::io_context& context() { return context_; }
    template <class Function>
    void post(Function function) {
        boost::asio::post(context_, std::move(function));
    }
    /// On the io thread.
    [[nodiscard]] Connection& connection() { return connection_; }

    /// Takes one of the publishes that the broker lets this connection leave unanswered. False when
    /// there is none: `again` is then called once, when one was answered. On the io thread.
    [[nodiscard]] bool begin_publish(std::function<void()> again);
    void end_publish();

    /// Sends a request on the io thread. Threads: any.
    template <class Native>
    void send(wire::Api api,
              Native message,
              OnAnswer on_answer,
              std::optional<std::chrono::milliseconds> timeout = std::nullopt) {
        auto shared = std::make_shared<Native>(std::move(message));
        post([this, api, shared, timeout, on_answer = std::move(on_answer)]() mutable {
            connection_.request(
                [api, shared](std::uint32_t correlation) {
                    return wire::format_message(
                        {.api = static_cast<std::uint16_t>(api), .correlation = correlation},
                        *shared);
                },
                timeout.value_or(options_.request_timeout),
                std::move(on_answer));
        });
    }

    /// Sends and waits. Throws ClientError. Not on the io thread.
    template <class Answer, class Native>
    typename Answer::NativeTableType call(wire::Api api,
                                          Native message,
                                          std::vector<std::byte>* raw = nullptr,
                                          std::optional<std::chrono::milliseconds> timeout = {}) {
        const auto kept = call_kept(
            [&](OnAnswer done) { send(api, std::move(message), std::move(done), timeout); });
        auto answer = wire::parse_message<Answer>(kept.table);
        if (!answer) {
            throw_error(answer.error());
        }
        if (answer.value().error) {
            throw_error(from_wire(*answer.value().error));
        }
        if (raw != nullptr) {
            *raw = kept.raw;
        }
        return std::move(answer).value();
    }

    /// `call` for what may take effect twice: runs it again where the answer was lost, or where no
    /// node led. That none is found shows after the time to connect, and is thrown.
    template <class Answer, class Native>
    typename Answer::NativeTableType call_again(wire::Api api,
                                                const Native& message,
                                                std::vector<std::byte>* raw = nullptr) {
        const auto patience = std::chrono::steady_clock::now() + options_.connect_timeout;
        for (;;) {
            try {
                return call<Answer>(api, message, raw);
            } catch (const ClientError& error) {
                rest_or_pass_on(error, patience);
            }
        }
    }

    /// A hello of its own: versions, limits, and a producer id that nobody else has. Throws.
    [[nodiscard]] wire::HelloAnswerT hello();
    /// From the broker. Throws unknown_topic.
    [[nodiscard]] TopicDescription describe(const std::string& topic);
    [[nodiscard]] std::vector<TopicDescription> topics(const std::vector<std::string>& patterns,
                                                       wire::MetadataRequestT request = {});

    /// Push frames of delivery sessions. On the io thread.
    void set_session_handler(std::uint64_t session, OnPush handler) {
        session_handlers_[session] = std::move(handler);
    }
    void drop_session_handler(std::uint64_t session) { session_handlers_.erase(session); }

  private:
    /// Throws the error that is being handled on, unless a leader may be found before `patience`.
    void rest_or_pass_on(const ClientError& error,
                         std::chrono::steady_clock::time_point patience) const;
    [[nodiscard]] static KeptAnswer call_kept(const std::function<void(OnAnswer)>& start);

    ClientOptions options_;
    boost::asio::io_context context_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
    Connection connection_;
    std::unordered_map<std::uint64_t, OnPush> session_handlers_;
    std::uint32_t publishes_outstanding_ = 0;
    std::vector<std::function<void()>> waiting_publishers_;
    std::thread thread_;
};

[[nodiscard]] TopicDescription from_wire(const wire::TopicT& topic);

}  // namespace millrace::client
