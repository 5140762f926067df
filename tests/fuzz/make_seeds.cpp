// Writes the seeds: small valid inputs of each target, made by the code that writes such bytes for
// real.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "tests/fuzz/segment_image.hpp"

#include "broker/delivery/commands.hpp"
#include "broker/delivery/letters/letter_row.hpp"
#include "client/wire/message.hpp"
#include "client/wire/record_batch.hpp"
#include "client/wire/schema/records_generated.h"
#include "client/wire/schema/session_generated.h"
#include "client/wire/schema/subscriptions_generated.h"
#include "storage/format/append_order.hpp"
#include "storage/format/layout.hpp"
#include "storage/log/state_dump.hpp"

namespace millrace::fuzz {
namespace {

using Bytes = std::vector<std::byte>;

class Corpus {
  public:
    explicit Corpus(std::filesystem::path folder) : folder_(std::move(folder)) {
        std::filesystem::create_directories(folder_);
    }
    void add(const std::string& name, const Bytes& bytes) const {
        std::ofstream file(folder_ / name, std::ios::binary);
        file.write(reinterpret_cast<const char*>(bytes.data()),
                   static_cast<std::streamsize>(bytes.size()));
    }

  private:
    std::filesystem::path folder_;
};

Bytes with_front(std::uint8_t front, std::span<const std::byte> rest) {
    Bytes bytes{std::byte{front}};
    bytes.insert(bytes.end(), rest.begin(), rest.end());
    return bytes;
}

Bytes make_batch(std::uint32_t count, wire::Codec codec) {
    wire::RecordBatchBuilder builder;
    for (std::uint32_t number = 0; number < count; ++number) {
        const std::string key = "WO-" + std::to_string(1000 + number);
        builder.add({.key = key,
                     .value = R"({"quantity":10})",
                     .headers = {{.key = "event-id", .value = "e1"}},
                     .event_time_us = 1'700'000'000'000'000 + number});
    }
    return builder.finish({.id = 7, .epoch = 0, .base_sequence = 0}, codec).value();
}

Bytes make_run(std::span<const std::byte> batch, std::uint32_t count) {
    const BatchHeader header{.partition = PartitionId{3},
                             .record_count = count,
                             .base_offset = Offset{40},
                             .append_time_us = 1'700'000'000'000'000,
                             .batch_bytes = static_cast<std::uint32_t>(batch.size())};
    Bytes run(header.run_bytes());
    store_batch_header(run, header);
    std::ranges::copy(batch, run.begin() + BatchHeader::bytes);
    return run;
}

Bytes make_frame(std::span<const std::byte> payload, std::uint64_t sequence) {
    Bytes frame(storage::frame_bytes(payload.size()));
    storage::store_frame(frame,
                         {.kind = storage::FrameKind::entry,
                          .entry_type = storage::entry_type_records,
                          .group = GroupId{1},
                          .batch_count = 1,
                          .index = RaftIndex{sequence},
                          .term = RaftTerm{1},
                          .payload = payload},
                         hash_seed + sequence);
    return frame;
}

Bytes make_commit(std::uint64_t sequence, std::span<const std::byte> frame) {
    Bytes commit(storage::CommitHeader::bytes);
    const std::size_t total = commit.size() + frame.size();
    storage::store_commit_header(
        commit,
        {.total_bytes = static_cast<std::uint32_t>(align_up(total, storage::disk_alignment)),
         .sequence = CommitSequence{sequence},
         .writer_epoch = static_cast<std::uint32_t>(writer_epoch),
         .frame_count = 1,
         .first_time_us = 1,
         .last_time_us = 2},
        hash_seed);
    commit.insert(commit.end(), frame.begin(), frame.end());
    return commit;
}

void append_chunk(Bytes& input, std::span<const std::byte> chunk) {
    input.push_back(static_cast<std::byte>(chunk.size() & 0xffU));
    input.push_back(static_cast<std::byte>(chunk.size() >> 8U));
    input.insert(input.end(), chunk.begin(), chunk.end());
}

void make_storage(const std::filesystem::path& root) {
    const Corpus format(root / "storage_format");
    Bytes segment(storage::disk_alignment);
    storage::store_segment_header(
        segment, {.sequence = SegmentSequence{5}, .writer_epoch = 2, .hash_seed = 9});
    segment.resize(72);
    const Bytes run = make_run(make_batch(1, wire::Codec::none), 1);
    format.add("segment", with_front(repair_segment, segment));
    format.add("commit", with_front(repair_commits, make_commit(1, {})));
    format.add("frame", with_front(repair_frames, make_frame(run, 0)));
    format.add("frame_as_it_is", with_front(0, make_frame(run, 0)));

    const Corpus scan(root / "log_scan");
    for (std::uint8_t repairs = 0; repairs < 4; ++repairs) {
        Bytes input{std::byte{repairs}};
        for (std::uint64_t sequence = 1; sequence <= 4; ++sequence) {
            const bool is_damaged = repairs == 0 && sequence == 2;
            Bytes commit = make_commit(sequence, make_frame(run, sequence));
            commit[is_damaged ? 100 : 12] ^=
                std::byte{is_damaged ? std::uint8_t{1} : std::uint8_t{0}};
            append_chunk(input, commit);
        }
        scan.add("four_commits_" + std::to_string(repairs), input);
    }
}

void make_state_dumps(const std::filesystem::path& root) {
    const Corpus corpus(root / "state_dump");
    const Bytes row{std::byte{1}, {}, {}, {}, std::byte{'k'}, std::byte{2}, {}, {}, {}};
    const auto frame = [](std::uint8_t flags, std::uint8_t number, const Bytes& payload) {
        Bytes bytes{std::byte{flags}, std::byte{number}, static_cast<std::byte>(payload.size())};
        bytes.insert(bytes.end(), payload.begin(), payload.end());
        return bytes;
    };
    Bytes whole = frame(storage::dump_first, 1, row);
    const Bytes end = frame(storage::dump_last, 2, {std::byte{'v'}, std::byte{'w'}});
    whole.insert(whole.end(), end.begin(), end.end());
    corpus.add("row_over_two_frames", whole);
    const Bytes begun = frame(storage::dump_first, 1, row);
    whole.insert(whole.end(), begun.begin(), begun.end());
    corpus.add("second_breaks_off", whole);
    constexpr std::uint8_t part_shift = 2;
    const auto ends = static_cast<std::uint8_t>(storage::dump_of_partitions << part_shift);
    Bytes parts = frame(storage::dump_first, 1, {});
    const Bytes partition{std::byte{4},
                          {},
                          {},
                          {},
                          {},
                          {},
                          {},
                          std::byte{1},
                          std::byte{3},
                          {},
                          {},
                          {},
                          {},
                          std::byte{9},
                          {}};
    const Bytes last = frame(storage::dump_last | ends, 2, partition);
    parts.insert(parts.end(), last.begin(), last.end());
    corpus.add("ends_of_partitions", parts);
}

void make_append_order(const std::filesystem::path& root) {
    const std::vector<storage::OrderedBatch> batches{{.appended_at = 4'224,
                                                      .position = 5'000,
                                                      .partition = PartitionId{1},
                                                      .base_offset = Offset{7},
                                                      .record_count = 2,
                                                      .run_bytes = 400},
                                                     {.appended_at = 4'624,
                                                      .position = 4'224,
                                                      .partition = PartitionId{0},
                                                      .base_offset = Offset{1'000'000},
                                                      .record_count = 1,
                                                      .run_bytes = 776}};
    std::span<const storage::OrderedBatch> rest(batches);
    const auto payload = storage::format_append_order(rest, 100);
    const auto bytes = std::as_bytes(std::span(payload));
    Corpus(root / "append_order").add("two_batches", Bytes(bytes.begin(), bytes.end()));
}

void make_wire(const std::filesystem::path& root) {
    const Corpus corpus(root / "wire_frames");
    wire::HelloRequestT hello;
    hello.protocol_version_max = 1;
    hello.client_name = "fuzz";
    corpus.add("hello", with_front(7, wire::format_message({.api = 0}, hello)));
    wire::TopicAnswerT topic;
    topic.topic = std::make_unique<wire::TopicT>();
    topic.topic->name = "a.b";
    topic.topic->partitions.push_back(std::make_unique<wire::PartitionT>());
    corpus.add("topic", with_front(255, wire::format_message({.api = 9, .flags = 1}, topic)));
    const Bytes batch = make_batch(2, wire::Codec::none);
    const std::span<const std::byte> pieces[] = {batch};
    corpus.add("publish",
               with_front(0, wire::format_message({.api = 10}, wire::PublishRequestT(), pieces)));
    wire::LetterListAnswerT letters;
    letters.letters.push_back(std::make_unique<wire::LetterT>());
    Bytes two = wire::format_message({.api = 44}, letters);
    const Bytes second = wire::format_message({.api = 41}, wire::SettleRequestT());
    two.insert(two.end(), second.begin(), second.end());
    corpus.add("two_frames", with_front(30, two));
}

void make_batches(const std::filesystem::path& root) {
    const Corpus corpus(root / "record_batch");
    const std::pair<const char*, wire::Codec> codecs[] = {
        {"none", wire::Codec::none}, {"lz4", wire::Codec::lz4}, {"zstd", wire::Codec::zstd}};
    for (const auto& [name, codec] : codecs) {
        corpus.add(name, with_front(1, make_batch(3, codec)));
    }
    Bytes runs = make_run(make_batch(1, wire::Codec::none), 1);
    const Bytes second = make_run(make_batch(2, wire::Codec::lz4), 2);
    runs.insert(runs.end(), second.begin(), second.end());
    corpus.add("runs", with_front(0, runs));
    corpus.add("plain",
               with_front(0,
                          wire::format_plain_record({.key = "k",
                                                     .value = "v",
                                                     .headers = {{.key = "a", .value = "b"}},
                                                     .event_time_us = 5})));
}

void make_commands(const std::filesystem::path& root) {
    using namespace broker::delivery;
    const Corpus corpus(root / "delivery_commands");
    const ProgressKey key{
        .subscription = 2, .partition = PartitionId{3}, .epoch = 1, .origin = Offset{10}};
    Letter letter{
        .id = 1001, .subscription = "odoo", .topic = "a.b", .key = "WO-1", .error = "no product"};
    letter.actions.push_back({.time_us = 1, .action = "redrive", .by = "me", .text = "again"});
    letter.record = wire::format_plain_record({.key = "WO-1", .value = "v"});
    corpus.add(
        "settle",
        format_command(SettleCommand{.key = key, .runs = {{Offset{10}, 4}, {Offset{20}, 1}}}));
    corpus.add(
        "retry",
        format_command(RetryCommand{
            .key = key,
            .offset = Offset{14},
            .attempts = 2,
            .not_before_us = 7,
            .first_failure_us = 5,
            .failed = FailedAttempts{.last_us = 6, .cause = Cause::transient, .error = "busy"}}));
    // "letter" and "letter_open" are of the earlier form.
    corpus.add("letter_open_row", format_command(LetterOpenCommand{.key = key, .letter = letter}));
    corpus.add("letter_change",
               format_command(LetterChangeCommand{.subscription = 2,
                                                  .id = 1001,
                                                  .state = LetterState::discarded,
                                                  .error = "e",
                                                  .action = letter.actions.front()}));
    corpus.add("letter_retry",
               format_command(LetterRetryCommand{
                   .subscription = 2,
                   .id = 1001,
                   .failed = {.last_us = 6, .cause = Cause::transient, .error = "busy"}}));
    corpus.add(
        "circuit",
        format_command(CircuitCommand{
            .subscription = 2,
            .change = {
                .time_us = 5, .to = Circuit::open, .cause = Cause::outage, .reason = "refused"}}));
    corpus.add("offsets",
               format_command(OffsetCommand{
                   .group = "g", .offsets = {{.partition = PartitionId{1}, .offset = Offset{2}}}}));
    Job job{.id = 7, .by = "me", .created_us = 9};
    job.replay = {.topics = {"a.>"}, .from_us = 1, .to_us = 2, .headers = {{"a", "b"}}};
    job.redrive.query = {.subscription = "odoo", .cause = Cause::mapping};
    job.progress.cursors = {{.segment = 1, .position = 4096, .has_last = true, .last_offset = 5}};
    corpus.add("job",
               format_command(
                   JobCommand{.id = 7, .created = job, .progress = job.progress, .change = {}}));
    corpus.add("job_change",
               format_command(JobCommand{
                   .id = 7,
                   .created = {},
                   .progress = {},
                   .change = JobChange{.state = JobState::paused, .reason = "r", .by = "me"}}));
    const std::string text = format_letter(letter);
    const auto bytes = std::as_bytes(std::span(text));
    corpus.add("letter_row", Bytes(bytes.begin(), bytes.end()));
}

void make_canary(const std::filesystem::path& root) {
    const std::string text = "MIL!";
    const auto bytes = std::as_bytes(std::span(text));
    Corpus(root / "canary_found").add("bug", Bytes(bytes.begin(), bytes.end()));
}

}  // namespace
}  // namespace millrace::fuzz

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: fuzz_seeds FOLDER\n";
        return 2;
    }
    const std::filesystem::path root(argv[1]);
    millrace::fuzz::make_storage(root);
    millrace::fuzz::make_state_dumps(root);
    millrace::fuzz::make_append_order(root);
    millrace::fuzz::make_wire(root);
    millrace::fuzz::make_batches(root);
    millrace::fuzz::make_commands(root);
    millrace::fuzz::make_canary(root);
}
