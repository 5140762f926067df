#include "broker/peers/entry_fetcher.hpp"

#include <optional>
#include <string>
#include <utility>

#include "broker/peers/peer_stream.hpp"

namespace millrace::broker::peers {

EntryFetcher::EntryFetcher(Options options, const std::atomic<bool>& is_stopping)
    : options_(std::move(options)), is_stopping_(is_stopping), streams_(options_.others.size()) {
    options_.hello.is_copying = true;
}

EntryFetcher::~EntryFetcher() = default;

Result<std::vector<std::byte>> EntryFetcher::ask(std::size_t number,
                                                 const storage::EntryRequest& request) {
    auto& stream = streams_[number];
    if (!stream) {
        auto made = std::make_unique<PeerStream>(options_.others[number], is_stopping_);
        MILLRACE_TRY(made->open(options_.hello));
        stream = std::move(made);
    }
    const auto correlation = ++last_correlation_;
    auto image = stream->ask(format_entry_request(correlation, request), correlation);
    // A refusal is an answer.
    const bool is_lost = !image && image.error().code != Errc::not_found &&
                         image.error().code != Errc::limit_reached;
    if (is_lost) {
        stream.reset();
    }
    return image;
}

Result<std::vector<std::byte>> EntryFetcher::fetch(const storage::EntryRequest& request) {
    const auto count = streams_.size();
    auto missing = fail(Errc::not_found, "there is no other node");
    std::optional<Error> unasked;
    for (std::size_t i = 0; i < count; ++i) {
        const auto number = (first_ + i) % count;
        auto image = ask(number, request);
        if (image || image.error().code == Errc::shutting_down) {
            first_ = number;
            return image;
        }
        if (image.error().code == Errc::not_found) {
            missing = image.error();
        } else {
            unasked = image.error();
        }
    }
    return unasked ? fail(Errc::unavailable, "a node can't be asked now: " + unasked->text)
                   : missing;
}

}  // namespace millrace::broker::peers
