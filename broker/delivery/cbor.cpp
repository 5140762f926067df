#include "broker/delivery/cbor.hpp"

#include <algorithm>

namespace millrace::broker::delivery {
namespace {

/// Follows how deep arrays and objects lie in each other; refuses what goes too deep.
class DepthLimit final : public nlohmann::json_sax<nlohmann::json> {
  public:
    bool null() override { return true; }
    bool boolean(bool /*value*/) override { return true; }
    bool number_integer(std::int64_t /*value*/) override { return true; }
    bool number_unsigned(std::uint64_t /*value*/) override { return true; }
    bool number_float(double /*value*/, const std::string& /*text*/) override { return true; }
    bool string(std::string& /*value*/) override { return true; }
    bool binary(nlohmann::json::binary_t& /*value*/) override { return true; }
    bool key(std::string& /*value*/) override { return true; }
    bool start_object(std::size_t /*count*/) override { return ++depth_ <= depth_max; }
    bool start_array(std::size_t /*count*/) override { return ++depth_ <= depth_max; }
    bool end_object() override { return end(); }
    bool end_array() override { return end(); }
    bool parse_error(std::size_t /*at*/,
                     const std::string& /*token*/,
                     const nlohmann::json::exception& /*error*/) override {
        return false;
    }

  private:
    static constexpr int depth_max = 16;
    bool end() {
        --depth_;
        return true;
    }
    int depth_ = 0;
};

}  // namespace

nlohmann::json parse_cbor(std::span<const std::byte> bytes) {
    const auto* const begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
    const auto* const end = begin + bytes.size();
    DepthLimit limit;
    if (!nlohmann::json::sax_parse(begin, end, &limit, nlohmann::json::input_format_t::cbor)) {
        throw nlohmann::json::other_error::create(501, "not CBOR, or nested too deep", nullptr);
    }
    return nlohmann::json::from_cbor(begin, end);
}

nlohmann::json cbor_bytes(std::string_view text) {
    return nlohmann::json::binary({text.begin(), text.end()});
}

std::string cbor_text(const nlohmann::json& json) {
    const auto& bytes = json.get_binary();
    return {bytes.begin(), bytes.end()};
}

nlohmann::json cbor_bytes(std::span<const std::byte> bytes) {
    std::vector<std::uint8_t> copy(bytes.size());
    std::ranges::transform(bytes, copy.begin(), std::to_integer<std::uint8_t>);
    return nlohmann::json::binary(std::move(copy));
}

std::vector<std::byte> cbor_blob(const nlohmann::json& json) {
    const auto& binary = json.get_binary();
    const auto bytes = std::as_bytes(std::span(binary.data(), binary.size()));
    return {bytes.begin(), bytes.end()};
}

}  // namespace millrace::broker::delivery
