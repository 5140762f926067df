// A byte stream as a peer may send it: cut into frames, tables verified and unpacked.
#include <array>
#include <vector>

#include "tests/fuzz/fuzz_check.hpp"

#include "client/wire/frame.hpp"
#include "client/wire/message.hpp"
#include "client/wire/schema/groups_generated.h"
#include "client/wire/schema/records_generated.h"
#include "client/wire/schema/session_generated.h"
#include "client/wire/schema/subscriptions_generated.h"
#include "storage/base/bytes.hpp"

namespace millrace::wire {
namespace {

using fuzz::check;
using Parse = void (*)(std::span<const std::byte> table);

template <class Table>
void parse(std::span<const std::byte> table) {
    const auto message = parse_message<Table>(table);
    if (message.has_error()) {
        return;
    }
    const auto frame = format_message({.api = 1}, message.value());
    FrameReader reader(std::size_t{1} << 30U);
    bool is_seen = false;
    const auto fed = reader.feed(frame, [&](const FrameView& view) {
        is_seen = true;
        check(parse_message<Table>(view.table).has_value(), "a message survives being sent");
        return true;
    });
    check(fed.has_value() && is_seen, "a message that was formatted is a frame");
}

template <class... Tables>
constexpr std::array<Parse, sizeof...(Tables)> parsers_of() {
    return {&parse<Tables>...};
}

/// The number in the frame's header chooses one.
constexpr auto parsers = parsers_of<HelloRequest,
                                    HelloAnswer,
                                    MetadataRequest,
                                    MetadataAnswer,
                                    StatusRequest,
                                    StatusAnswer,
                                    TopicCreateRequest,
                                    TopicAlterRequest,
                                    TopicDeleteRequest,
                                    TopicAnswer,
                                    PublishRequest,
                                    PublishAnswer,
                                    FetchRequest,
                                    FetchAnswer,
                                    ListOffsetsRequest,
                                    ListOffsetsAnswer,
                                    ReplayReadRequest,
                                    ReplayReadAnswer,
                                    GroupJoinRequest,
                                    GroupJoinAnswer,
                                    GroupHeartbeatRequest,
                                    GroupLeaveRequest,
                                    OffsetCommitRequest,
                                    OffsetFetchRequest,
                                    OffsetFetchAnswer,
                                    GroupListRequest,
                                    GroupListAnswer,
                                    GroupDescribeRequest,
                                    GroupDescribeAnswer,
                                    SubscriptionCreateRequest,
                                    SubscriptionDeleteRequest,
                                    SubscriptionListRequest,
                                    SubscriptionListAnswer,
                                    SubscriptionDescribeRequest,
                                    SubscriptionDescribeAnswer,
                                    SubscriptionControlRequest,
                                    SubscriptionOpenRequest,
                                    SubscriptionOpenAnswer,
                                    SubscriptionCreditRequest,
                                    SubscriptionCloseRequest,
                                    Deliveries,
                                    SettleRequest,
                                    SettleAnswer,
                                    LetterListRequest,
                                    LetterListAnswer,
                                    LetterShowRequest,
                                    LetterShowAnswer,
                                    LetterChangeRequest,
                                    LetterChangeAnswer,
                                    Done>();

/// Feeds the bytes in pieces and gives how many frames came, and whether the stream broke.
struct Cut {
    std::size_t frames = 0;
    std::ptrdiff_t zeros = 0;  ///< of the frames' record bytes
    bool is_broken = false;
    bool operator==(const Cut&) const = default;
};

/// The reader's memory or that of the stream is where a piece lies.
enum class Lies : std::uint8_t { in_stream, in_reader };

Result<void> hand_in(FrameReader& reader,
                     std::span<const std::byte> piece,
                     Lies lies,
                     const FrameReader::Handle& handle) {
    if (lies == Lies::in_stream) {
        return reader.feed(piece, handle);
    }
    while (!piece.empty()) {
        const auto room = reader.prepare();
        const auto now = piece.first(std::min(piece.size(), room.size()));
        copy_bytes(now, room);
        piece = piece.subspan(now.size());
        MILLRACE_TRY(reader.commit(now.size(), handle));
    }
    return ok();
}

Cut cut(std::span<const std::byte> stream, std::size_t piece_bytes, Lies lies) {
    constexpr std::size_t frame_bytes_max = std::size_t{1} << 20U;
    FrameReader reader(frame_bytes_max);
    Cut found;
    std::vector<SharedBytes> kept;
    while (!stream.empty() && !found.is_broken) {
        const auto piece = stream.first(std::min(piece_bytes, stream.size()));
        stream = stream.subspan(piece.size());
        const auto fed = hand_in(reader, piece, lies, [&](const FrameView& frame) {
            ++found.frames;
            parsers.at(frame.header.api % parsers.size())(frame.table);
            // The raw part is read to its end, for the sanitizer.
            found.zeros += std::ranges::count(frame.raw, std::byte{0});
            kept.push_back(frame.keep_raw());
            return true;
        });
        found.is_broken = fed.has_error();
    }
    std::ptrdiff_t zeros = 0;
    for (const auto& raw : kept) {
        zeros += std::ranges::count(raw.span(), std::byte{0});
    }
    check(zeros == found.zeros, "what is kept stays");
    return found;
}

}  // namespace
}  // namespace millrace::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    auto input = fuzz::bytes_of(data, size);
    const std::size_t piece_bytes = 1 + fuzz::take_byte(input);
    const auto whole = wire::cut(input, input.size(), wire::Lies::in_stream);
    for (const auto lies : {wire::Lies::in_stream, wire::Lies::in_reader}) {
        fuzz::check(wire::cut(input, piece_bytes, lies) == whole,
                    "frames do not depend on the pieces");
    }
    return 0;
}
