#include "broker/shard/intake/producer_table.hpp"

#include <algorithm>
#include <span>

#include "storage/base/bytes.hpp"

namespace millrace::broker {
namespace {

constexpr std::uint32_t sequence_mask = 0x7fffffff;  ///< sequences wrap to 0, as Kafka's do
constexpr std::size_t row_bytes = 8 + 2 + 4 + 4 + 8 + 8;

std::int32_t advance(std::int32_t sequence, std::uint32_t by) {
    return static_cast<std::int32_t>((static_cast<std::uint32_t>(sequence) + by) & sequence_mask);
}

/// How far `to` is ahead of `from`, at most half the circle.
bool is_behind(std::int32_t sequence, std::int32_t expected) {
    const auto distance =
        (static_cast<std::uint32_t>(expected) - static_cast<std::uint32_t>(sequence)) &
        sequence_mask;
    return distance != 0 && distance <= sequence_mask / 2;
}

void append_row(std::string& text,
                std::int64_t producer,
                std::int16_t epoch,
                const AcceptedBatch& batch) {
    const auto at = text.size();
    text.resize(at + row_bytes);
    const auto out = std::as_writable_bytes(std::span(text)).subspan(at);
    store_le(out, producer);
    store_le(out.subspan(8), epoch);
    store_le(out.subspan(10), batch.base_sequence);
    store_le(out.subspan(14), batch.last_sequence);
    store_le(out.subspan(18), batch.base_offset.value);
    store_le(out.subspan(26), batch.append_time_us);
}

}  // namespace

std::int32_t ProducerBatch::last_sequence() const {
    return advance(base_sequence, record_count - 1);
}

const ProducerTable::Producer* ProducerTable::find(std::int64_t id) const {
    if (latest_.producer != nullptr && latest_.id == id) {
        return latest_.producer;
    }
    const auto found = producers_.find(id);
    return found == producers_.end() ? nullptr : &found->second;
}

ProducerTable::Judgement ProducerTable::judge(const ProducerBatch& batch) const {
    const auto* const found = find(batch.producer_id);
    if (found == nullptr) {
        return {};
    }
    const auto& producer = *found;
    if (producer.epoch < batch.epoch) {
        // An epoch begins with its first batch: a later one must not get ahead of it.
        return {.verdict = batch.base_sequence == 0 ? Verdict::fresh : Verdict::gap};
    }
    const std::span known(producer.batches.data(), producer.count);
    const auto same = std::ranges::find_if(known, [&](const AcceptedBatch& accepted) {
        return accepted.base_sequence == batch.base_sequence &&
               accepted.last_sequence == batch.last_sequence();
    });
    const auto expected = advance(known.back().last_sequence, 1);
    if (same != known.end()) {
        return {.verdict = Verdict::duplicate, .first = *same, .expected_sequence = expected};
    }
    if (batch.epoch < producer.epoch || is_behind(batch.base_sequence, expected)) {
        return {.verdict = Verdict::too_old, .first = {}, .expected_sequence = expected};
    }
    const auto verdict = batch.base_sequence == expected ? Verdict::fresh : Verdict::gap;
    return {.verdict = verdict, .first = {}, .expected_sequence = expected};
}

void ProducerTable::remember(Producer& producer, const AcceptedBatch& batch) {
    if (producer.count == remembered) {
        std::rotate(producer.batches.begin(), producer.batches.begin() + 1, producer.batches.end());
        --producer.count;
    }
    producer.batches[producer.count++] = batch;
}

ProducerTable::Producer& ProducerTable::make_latest(std::int64_t id) {
    if (latest_.producer != nullptr && latest_.id == id) {
        return *latest_.producer;
    }
    auto [found, is_new] = producers_.try_emplace(id);
    auto& producer = found->second;
    latest_ = {.id = id, .producer = &producer};
    if (!is_new) {
        by_age_.splice(by_age_.end(), by_age_, producer.age);
        return producer;
    }
    producer.age = by_age_.insert(by_age_.end(), id);
    if (producers_.size() > producers_max_) {
        producers_.erase(by_age_.front());
        by_age_.pop_front();
    }
    return producer;
}

void ProducerTable::add(const ProducerBatch& batch, AcceptedBatch accepted) {
    auto& producer = make_latest(batch.producer_id);
    if (producer.epoch != batch.epoch) {
        producer.epoch = batch.epoch;
        producer.count = 0;
    }
    accepted.base_sequence = batch.base_sequence;
    accepted.last_sequence = batch.last_sequence();
    remember(producer, accepted);
}

void ProducerTable::drop_proposal(std::uint64_t proposal) {
    latest_ = {};
    for (auto& [id, producer] : producers_) {
        const auto begin = producer.batches.begin();
        const auto end = std::remove_if(
            begin,
            begin + static_cast<std::ptrdiff_t>(producer.count),
            [proposal](const AcceptedBatch& batch) { return batch.proposal == proposal; });
        producer.count = static_cast<std::size_t>(end - begin);
    }
    std::erase_if(by_age_, [this](std::int64_t id) { return producers_.at(id).count == 0; });
    std::erase_if(producers_, [](const auto& entry) { return entry.second.count == 0; });
}

std::string ProducerTable::format(const IsKept& is_kept) const {
    std::string text;
    for (const auto id : by_age_) {
        append_rows(text, id, is_kept);
    }
    return text;
}

void ProducerTable::append_rows(std::string& text, std::int64_t id, const IsKept& is_kept) const {
    const auto& producer = producers_.at(id);
    const std::span batches(producer.batches.data(), producer.count);
    for (const auto& batch : batches) {
        if (is_kept(batch)) {
            append_row(text, id, producer.epoch, batch);
        }
    }
}

Result<void> ProducerTable::parse(std::string_view text) {
    if (text.size() % row_bytes != 0) {
        return fail(Errc::corrupt, "producer table of " + std::to_string(text.size()) + " bytes");
    }
    for (auto rest = std::as_bytes(std::span(text)); !rest.empty();
         rest = rest.subspan(row_bytes)) {
        const auto base = load_le<std::int32_t>(rest.subspan(10));
        const auto last = load_le<std::int32_t>(rest.subspan(14));
        add({.producer_id = load_le<std::int64_t>(rest),
             .epoch = load_le<std::int16_t>(rest.subspan(8)),
             .base_sequence = base,
             .record_count =
                 ((static_cast<std::uint32_t>(last) - static_cast<std::uint32_t>(base)) &
                  sequence_mask) +
                 1},
            {.base_offset = Offset{load_le<std::uint64_t>(rest.subspan(18))},
             .append_time_us = load_le<std::int64_t>(rest.subspan(26))});
    }
    return ok();
}

}  // namespace millrace::broker
