#include "client/wire/compression.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

#include <lz4frame.h>
#include <zstd.h>

#include "storage/base/units.hpp"

namespace millrace::wire {
namespace {

constexpr int zstd_level = 3;
constexpr std::size_t step_bytes = 64_KiB;

constexpr std::array<std::pair<Codec, std::string_view>, 3> names{
    {{Codec::none, "none"}, {Codec::lz4, "lz4"}, {Codec::zstd, "zstd"}}};

Error unsupported(Codec codec) {
    return fail(Errc::unsupported_version,
                "compression codec " + std::to_string(static_cast<int>(codec)) +
                    " is not supported: use none, lz4 or zstd");
}

Error too_large(std::size_t bytes_max) {
    return fail(Errc::record_too_large,
                "a compressed batch holds more than uncompressed_bytes_max, which is " +
                    std::to_string(bytes_max) + " bytes");
}

Result<std::vector<std::byte>> decompress_zstd(std::span<const std::byte> bytes,
                                               std::size_t bytes_max) {
    const std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream(ZSTD_createDStream(),
                                                                            &ZSTD_freeDStream);
    std::vector<std::byte> out;
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    std::size_t left = 1;
    while (in.pos < in.size || left != 0) {
        const auto begin = out.size();
        out.resize(begin + step_bytes);
        ZSTD_outBuffer step{&out[begin], step_bytes, 0};
        left = ZSTD_decompressStream(stream.get(), &step, &in);
        out.resize(begin + step.pos);
        if (ZSTD_isError(left) != 0 || (step.pos == 0 && in.pos == in.size && left != 0)) {
            return fail(Errc::malformed, "zstd data does not decompress");
        }
        if (out.size() > bytes_max) {
            return too_large(bytes_max);
        }
    }
    return out;
}

Result<std::vector<std::byte>> decompress_lz4(std::span<const std::byte> bytes,
                                              std::size_t bytes_max) {
    LZ4F_dctx* made = nullptr;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&made, LZ4F_VERSION)) != 0) {
        return fail(Errc::internal, "no memory for lz4");
    }
    const std::unique_ptr<LZ4F_dctx, decltype(&LZ4F_freeDecompressionContext)> context(
        made, &LZ4F_freeDecompressionContext);
    std::vector<std::byte> out;
    std::size_t at = 0;
    std::size_t left = 1;
    while (left != 0) {
        const auto begin = out.size();
        out.resize(begin + step_bytes);
        std::size_t produced = step_bytes;
        std::size_t consumed = bytes.size() - at;
        left = LZ4F_decompress(
            context.get(), &out[begin], &produced, bytes.data() + at, &consumed, nullptr);
        out.resize(begin + produced);
        at += consumed;
        if (LZ4F_isError(left) != 0 || (left != 0 && produced == 0 && consumed == 0)) {
            return fail(Errc::malformed, "lz4 data does not decompress");
        }
        if (out.size() > bytes_max) {
            return too_large(bytes_max);
        }
    }
    return out;
}

}  // namespace

std::string_view name_of(Codec codec) {
    const auto* const found =
        std::ranges::find(names, codec, &std::pair<Codec, std::string_view>::first);
    return found == names.end() ? std::string_view() : found->second;
}

std::optional<Codec> find_codec(std::string_view name) {
    const auto* const found =
        std::ranges::find(names, name, &std::pair<Codec, std::string_view>::second);
    return found == names.end() ? std::nullopt : std::optional(found->first);
}

Result<std::vector<std::byte>> compress(Codec codec, std::span<const std::byte> bytes) {
    if (codec == Codec::zstd) {
        std::vector<std::byte> out(ZSTD_compressBound(bytes.size()));
        const auto written =
            ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), zstd_level);
        if (ZSTD_isError(written) != 0) {
            return fail(Errc::internal, ZSTD_getErrorName(written));
        }
        out.resize(written);
        return out;
    }
    if (codec == Codec::lz4) {
        std::vector<std::byte> out(LZ4F_compressFrameBound(bytes.size(), nullptr));
        const auto written =
            LZ4F_compressFrame(out.data(), out.size(), bytes.data(), bytes.size(), nullptr);
        if (LZ4F_isError(written) != 0) {
            return fail(Errc::internal, LZ4F_getErrorName(written));
        }
        out.resize(written);
        return out;
    }
    return unsupported(codec);
}

Result<std::vector<std::byte>> decompress(Codec codec,
                                          std::span<const std::byte> bytes,
                                          std::size_t bytes_max) {
    switch (codec) {
        case Codec::zstd:
            return decompress_zstd(bytes, bytes_max);
        case Codec::lz4:
            return decompress_lz4(bytes, bytes_max);
        default:
            return unsupported(codec);
    }
}

}  // namespace millrace::wire
