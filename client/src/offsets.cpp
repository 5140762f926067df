#include "client/src/offsets.hpp"

#include "client/wire/schema/records_generated.h"

namespace millrace::client {

std::map<std::uint32_t, std::uint64_t> offsets_at(Core& core,
                                                  const std::vector<std::uint32_t>& partition_ids,
                                                  const StartPosition& position) {
    std::map<std::uint32_t, std::uint64_t> found;
    if (partition_ids.empty()) {
        return found;
    }
    wire::ListOffsetsRequestT request;
    request.partition_ids = partition_ids;
    request.at = static_cast<wire::OffsetAt>(position.at);
    request.time_us = position.time_us;
    const auto answer =
        core.call<wire::ListOffsetsAnswer>(wire::Api::list_offsets, std::move(request));
    for (const auto& offset : answer.offsets) {
        if (offset.code() != 0) {
            throw_error(fail(static_cast<Errc>(offset.code()),
                             "the broker does not say where partition " +
                                 std::to_string(offset.partition_id()) + " is to be read from"));
        }
        found[offset.partition_id()] = offset.offset();
    }
    for (const auto id : partition_ids) {
        if (!found.contains(id)) {
            throw_error(fail(Errc::malformed,
                             "the broker's answer leaves out partition " + std::to_string(id)));
        }
    }
    return found;
}

}  // namespace millrace::client
