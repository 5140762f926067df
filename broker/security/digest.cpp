#include "broker/security/digest.hpp"

#include <array>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "storage/base/assert.hpp"

namespace millrace::broker {
namespace {

using Digest = std::array<unsigned char, EVP_MAX_MD_SIZE>;

std::string text_of(const Digest& digest, unsigned bytes) {
    return {reinterpret_cast<const char*>(digest.data()), bytes};
}

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string sha256(std::string_view data) {
    Digest digest{};
    unsigned bytes = 0;
    const auto done =
        EVP_Digest(data.data(), data.size(), digest.data(), &bytes, EVP_sha256(), nullptr);
    MILLRACE_ASSERT(done == 1);
    return text_of(digest, bytes);
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
    Digest digest{};
    unsigned bytes = 0;
    const auto* const done = HMAC(EVP_sha256(),
                                  key.data(),
                                  static_cast<int>(key.size()),
                                  bytes_of(data),
                                  data.size(),
                                  digest.data(),
                                  &bytes);
    MILLRACE_ASSERT(done != nullptr);
    return text_of(digest, bytes);
}

std::string format_hex(std::string_view bytes) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        text += digits[byte >> 4U];
        text += digits[byte & 15U];
    }
    return text;
}

bool is_equal_in_constant_time(std::string_view one, std::string_view other) {
    return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace millrace::broker
