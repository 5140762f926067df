#include "millrace/client.hpp"

#include "client/src/admin_impl.hpp"
#include "client/src/consumer/consumer_impl.hpp"
#include "client/src/core.hpp"
#include "client/src/jobs/jobs_impl.hpp"
#include "client/src/producer_impl.hpp"
#include "client/src/replay_impl.hpp"
#include "client/src/subscription/subscription_impl.hpp"
#include "storage/base/random.hpp"

namespace millrace {

class Client::Impl {
  public:
    explicit Impl(ClientOptions options) : core(client::Core::make(std::move(options))) {}
    std::shared_ptr<client::Core> core;
};

Client::Client(ClientOptions options) : impl_(std::make_shared<Impl>(std::move(options))) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Producer Client::producer(const std::string& topic, ProducerOptions options) {
    const auto description = impl_->core->describe(topic);
    // Two producers of one connection must not share their sequences, so each draws an id of its
    // own.
    const auto id = static_cast<std::int64_t>(entropy_seed() >> 1U);
    auto made = std::make_shared<Producer::Impl>(impl_->core, description, id, options);
    made->start();
    return Producer(std::move(made));
}

Consumer Client::consumer(ConsumerOptions options) {
    auto made = std::make_shared<Consumer::Impl>(impl_->core, std::move(options));
    made->start();
    return Consumer(std::move(made));
}

Subscription Client::subscribe(const std::string& name, SubscribeOptions options) {
    if (!options.topics.empty()) {
        admin().ensure_subscription(
            {.name = name, .topics = options.topics, .order = options.order});
    }
    auto made = std::make_shared<Subscription::Impl>(impl_->core, name, std::move(options));
    made->start();
    return Subscription(std::move(made));
}

Replay Client::replay(ReplayOptions options) {
    return Replay(std::make_unique<Replay::Impl>(impl_->core, std::move(options)));
}

Admin Client::admin() {
    return Admin(std::make_shared<Admin::Impl>(impl_->core));
}

Jobs Client::jobs() {
    return Jobs(std::make_shared<Jobs::Impl>(impl_->core));
}

}  // namespace millrace
