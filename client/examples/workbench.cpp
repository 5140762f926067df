#include <chrono>
#include <exception>
#include <iostream>
#include <string>

#include "millrace/client.hpp"

// Measurements of parts go into a topic, and a queue subscription hands them out: part by part in
// order, parts beside each other.

namespace {

using namespace std::chrono_literals;

constexpr auto topic = "plant1.quality.part.measured";
constexpr auto queue = "workbench";

void set_up(millrace::Client& client) {
    auto admin = client.admin();
    admin.ensure_topic({.name = topic, .partition_count = 4});
    admin.ensure_subscription({.name = queue, .topics = {topic}, .ack_timeout = 10s});
}

/// Returns when all of them are on disk.
void publish(millrace::Client& client) {
    auto producer = client.producer(topic);
    for (const auto* part : {"P-1", "P-2", "P-3", "P-4"}) {
        producer.send({.key = part, .value = R"({"width_mm": 12.5})"},
                      [part](const millrace::RecordPlace& place, const std::exception_ptr& error) {
                          // On the client's thread: keep it short.
                          std::cout << part << (error ? " failed" : " is durable") << " at "
                                    << place.partition << '@' << place.offset << '\n';
                      });
    }
    producer.flush();  // throws what went wrong
}

/// What a real worker decides by its work is decided by the part's name here.
void settle(millrace::Delivery& delivery) {
    const auto part = delivery.record().key.value_or("");
    std::cout << part << ", attempt " << delivery.attempt() << ": ";
    if (part == "P-2" && delivery.attempt() == 1) {
        std::cout << "the gauge is busy, again in 200 ms\n";
        delivery.nack(
            {.cause = millrace::Cause::transient, .delay = 200ms, .error = "gauge is busy"});
    } else if (part == "P-3") {
        std::cout << "nobody knows it, a dead letter\n";
        delivery.nack({.cause = millrace::Cause::mapping, .error = "no part P-3"});
    } else {
        delivery.extend(30s);  // before work that takes longer than the ack timeout
        std::cout << "done\n";
        delivery.ack();
    }
}

void work(millrace::Client& client) {
    auto subscription = client.subscribe(queue);
    for (bool is_over = false; !is_over;) {
        for (auto& delivery : subscription.poll(1s)) {
            settle(delivery);
            is_over = is_over || delivery.attempt() > 1;
        }
    }
    std::cout << subscription.flush() << " settlements came too late\n";
}

void show_letters(millrace::Client& client) {
    for (const auto& letter : client.admin().list_letters({.subscription = queue})) {
        std::cout << "letter " << letter.id << ": " << letter.key << ", " << letter.error << '\n';
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        millrace::Client client({.brokers = argc > 1 ? argv[1] : "localhost:7117"});
        set_up(client);
        publish(client);
        work(client);
        show_letters(client);
    } catch (const millrace::ClientError& error) {
        std::cerr << "workbench: " << error.what() << '\n';
        return 1;
    }
    return 0;
}
