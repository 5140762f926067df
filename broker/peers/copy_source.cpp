#include "broker/peers/copy_source.hpp"

#include <utility>

#include "broker/peers/peer_stream.hpp"

namespace millrace::broker::peers {

CopySource::CopySource(Options options, const std::atomic<bool>& is_stopping)
    : options_(std::move(options)), is_stopping_(is_stopping) {
    options_.hello.is_copying = true;
}

CopySource::~CopySource() = default;

Result<std::vector<storage::SegmentExtent>> CopySource::list_of(const Endpoint& endpoint) {
    auto stream = std::make_unique<PeerStream>(endpoint, is_stopping_);
    MILLRACE_TRY(stream->open(options_.hello));
    const auto correlation = ++last_correlation_;
    MILLRACE_TRY(const auto text, stream->ask(format_list_request(correlation), correlation));
    MILLRACE_TRY(auto listing, parse_listing(text));
    for (const auto& [group, term] : options_.terms) {
        if (listing.terms[group] < term) {
            return fail(Errc::conflict,
                        "term " + std::to_string(listing.terms[group]) + " of group " +
                            std::to_string(group) + " there is over: this node knows term " +
                            std::to_string(term));
        }
    }
    stream_ = std::move(stream);
    return std::move(listing.segments);
}

Result<std::vector<storage::SegmentExtent>> CopySource::list() {
    auto last = fail(Errc::unavailable, "there is no other node to copy from");
    for (const auto& endpoint : options_.others) {
        auto listed = list_of(endpoint);
        if (listed || listed.error().code == Errc::shutting_down) {
            return listed;
        }
        last = listed.error();
    }
    return fail(Errc::unavailable, "no node leads this shard now: " + last.text);
}

Result<std::vector<std::byte>> CopySource::read(const storage::SegmentRead& read) {
    if (!stream_) {
        return fail(Errc::connection_lost, "nothing was listed");
    }
    const auto correlation = ++last_correlation_;
    auto bytes = stream_->ask(format_read_request(correlation, read), correlation);
    // A refusal is an answer.
    const bool is_lost =
        !bytes && bytes.error().code != Errc::not_found && bytes.error().code != Errc::io;
    if (is_lost) {
        stream_.reset();
    }
    return bytes;
}

void CopySource::doubt(const storage::SegmentExtent& extent) {
    if (stream_) {
        (void)stream_->send(format_doubt(extent));  // it comes up again with the next try
    }
}

}  // namespace millrace::broker::peers
