#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "broker/catalog/catalog_view.hpp"
#include "broker/runtime/runtime.hpp"
#include "broker/shard/shard.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::delivery {
class DeliveryShard;
class Fetcher;
}  // namespace millrace::broker::delivery

namespace millrace::broker::http {

/// One shard as the door reaches it; what the pointers name is used on that shard's thread alone.
struct ShardLink {
    Runtime* runtime = nullptr;
    Shard* shard = nullptr;
    delivery::DeliveryShard* delivery = nullptr;
    delivery::Fetcher* fetcher = nullptr;
};

/// The shard that answers for the catalog and the jobs.
inline constexpr ShardId catalog_shard{0};

/// The way from the control thread to the shards and back.
///
/// Promise:  no call waits for a shard; its answer comes later, by a message. What waits for
/// answers
///           stays on the control thread: a shard that ends drops nothing that is not its own.
/// Threads:  the control thread.
/// Failure:  shutting_down once the door was closed.
class ShardGate {
  public:
    /// `refusal` says why a node that runs is not open, where it knows; may be empty.
    using Refusal = std::function<Error()>;
    ShardGate(boost::asio::io_context& control, Refusal refusal);
    ShardGate(const ShardGate&) = delete;
    ShardGate& operator=(const ShardGate&) = delete;
    ShardGate(ShardGate&&) = delete;
    ShardGate& operator=(ShardGate&&) = delete;
    ~ShardGate();

    /// Also begins to follow the catalog, after a first look that is waited for. Once, before the
    /// control thread's loop.
    void open(std::vector<ShardLink> links);
    /// Nothing is asked any more; what was asked may still be answered.
    void close();
    [[nodiscard]] bool is_open() const { return core_->is_open; }
    [[nodiscard]] bool is_closed() const { return core_->is_closed; }

    /// Why nothing can be asked.
    [[nodiscard]] Error closed() const;

    [[nodiscard]] std::uint32_t shard_count() const {
        return static_cast<std::uint32_t>(core_->links.size());
    }
    /// As shard 0 saw it last. **Requires** that the gate was opened.
    [[nodiscard]] const CatalogPtr& catalog() const { return core_->catalog; }
    [[nodiscard]] boost::asio::io_context& control() const { return core_->control; }

    /// Runs `start(link, done)` on a shard; `done` takes a Result<T>, there, once; `then` gets it
    /// here.
    template <class T, class Start, class Then>
    // NOLINTNEXTLINE(readability-function-size): what runs there and what runs here stand together
    void ask(ShardId shard, Start start, Then then) const {
        auto& core = *core_;
        if (!core.is_open) {
            boost::asio::post(core.control, [then = std::move(then), why = closed()]() mutable {
                then(Result<T>(std::move(why)));
            });
            return;
        }
        auto waiting = std::make_shared<Waiting<T>>(std::move(then));
        core.waiting.insert(waiting);
        auto done = [control = &core.control,
                     weak_core = std::weak_ptr(core_),
                     weak = std::weak_ptr(waiting)](Result<T> result) {
            auto shared = std::make_shared<Result<T>>(std::move(result));
            boost::asio::post(*control, [weak_core, weak, shared] {
                const auto keep = weak.lock();
                const auto there = weak_core.lock();
                if (keep && there && there->waiting.erase(keep) > 0) {
                    keep->then(std::move(*shared));
                }
            });
        };
        const auto& link = core.links[shard.value];
        link.runtime->post_from_outside([link,
                                         start = std::move(start),
                                         done = std::move(done)]() mutable { start(link, done); });
    }

    /// Runs `work(link)`, which gives a T or a Result<T>, on every shard; `then` gets all results
    /// here, by shard, or the error of one.
    template <class T, class Work, class Then>
    void gather(Work work, Then then) const {
        gather_started<T>([work](const ShardLink& link, const auto& done) { done(work(link)); },
                          std::move(then));
    }
    /// The same for work that answers later.
    template <class T, class Start, class Then>
    // NOLINTNEXTLINE(readability-function-size): what runs there and what runs here stand together
    void gather_started(Start start, Then then) const {
        struct State {
            std::vector<T> results;
            std::size_t left = 0;
            std::optional<Error> error;
            Then then;
        };
        const auto count = std::max(shard_count(), 1U);
        auto state = std::make_shared<State>(State{
            .results = std::vector<T>(count), .left = count, .error = {}, .then = std::move(then)});
        for (ShardId shard{0}; shard.value < count; ++shard) {
            ask<T>(shard, start, [state, shard](Result<T> result) {
                if (result) {
                    state->results[shard.value] = std::move(result).value();
                } else {
                    state->error = result.error();
                }
                if (--state->left == 0) {
                    state->then(state->error ? Result<std::vector<T>>(*state->error)
                                             : Result<std::vector<T>>(std::move(state->results)));
                }
            });
        }
    }

  private:
    template <class T>
    struct Waiting {
        explicit Waiting(std::function<void(Result<T>)> given) : then(std::move(given)) {}
        std::function<void(Result<T>)> then;
    };
    struct Core {
        explicit Core(boost::asio::io_context& io) : control(io) {}
        boost::asio::io_context& control;
        std::vector<ShardLink> links;
        std::set<std::shared_ptr<void>> waiting;  ///< at most a few per connection
        CatalogPtr catalog;
        bool is_open = false;
        bool is_closed = false;  ///< for good
        Refusal refusal;
    };

    std::shared_ptr<Core> core_;
};

}  // namespace millrace::broker::http
