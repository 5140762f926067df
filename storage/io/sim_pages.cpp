#include "storage/io/sim_pages.hpp"

#include <algorithm>
#include <cstring>

namespace millrace::storage {
namespace {

constexpr std::array<std::byte, SimPages::page_bytes> zero_page{};

/// Up to the end of the page that `at` lies in.
std::size_t bytes_in_page(std::size_t at, std::size_t bytes) {
    return std::min(bytes, SimPages::page_bytes - at % SimPages::page_bytes);
}

}  // namespace

const std::byte* SimPages::shown(std::size_t page) const {
    return pages_[page] ? pages_[page]->data() : zero_page.data();
}

std::byte* SimPages::own(std::size_t page) {
    auto& at = pages_[page];
    if (!at) {
        at = std::make_shared<Page>();
    } else if (at.use_count() > 1) {
        at = std::make_shared<Page>(*at);
    }
    return at->data();
}

void SimPages::grow(std::size_t bytes) {
    if (bytes > size_) {
        size_ = bytes;
        pages_.resize((bytes + page_bytes - 1) / page_bytes);
    }
}

void SimPages::cut(std::size_t bytes) {
    if (bytes >= size_) {
        return;
    }
    size_ = bytes;
    pages_.resize((bytes + page_bytes - 1) / page_bytes);
    if (const auto kept = bytes % page_bytes; kept > 0 && pages_.back()) {
        std::memset(own(pages_.size() - 1) + kept, 0, page_bytes - kept);
    }
}

void SimPages::write(std::size_t at, std::span<const std::byte> bytes) {
    grow(at + bytes.size());
    while (!bytes.empty()) {
        const auto piece = bytes.first(bytes_in_page(at, bytes.size()));
        write_in_page(at, piece);
        at += piece.size();
        bytes = bytes.subspan(piece.size());
    }
}

void SimPages::write_in_page(std::size_t at, std::span<const std::byte> bytes) {
    const auto page = at / page_bytes;
    if (!pages_[page] && std::memcmp(bytes.data(), zero_page.data(), bytes.size()) == 0) {
        return;
    }
    std::memcpy(own(page) + at % page_bytes, bytes.data(), bytes.size());
}

void SimPages::read(std::size_t at, std::span<std::byte> out) const {
    while (!out.empty()) {
        const auto bytes = bytes_in_page(at, out.size());
        std::memcpy(out.data(), shown(at / page_bytes) + at % page_bytes, bytes);
        at += bytes;
        out = out.subspan(bytes);
    }
}

void SimPages::take(const SimPages& from, std::size_t begin, std::size_t end) {
    for (auto at = begin; at < end; at += bytes_in_page(at, end - at)) {
        const auto page = at / page_bytes;
        const auto bytes = bytes_in_page(at, end - at);
        const bool is_whole =
            at % page_bytes == 0 && (bytes == page_bytes || (end == size_ && end == from.size_));
        if (is_whole) {
            pages_[page] = from.pages_[page];
        } else if (pages_[page] != from.pages_[page]) {
            std::memcpy(own(page) + at % page_bytes, from.shown(page) + at % page_bytes, bytes);
        }
    }
}

bool SimPages::differs(const SimPages& other, std::size_t at, std::size_t bytes) const {
    const auto page = at / page_bytes;
    const auto in_page = at % page_bytes;
    return pages_[page] != other.pages_[page] &&
           std::memcmp(shown(page) + in_page, other.shown(page) + in_page, bytes) != 0;
}

std::vector<std::byte> SimPages::all() const {
    std::vector<std::byte> bytes(size_);
    read(0, bytes);
    return bytes;
}

}  // namespace millrace::storage
