#include "broker/protocol/session.hpp"

namespace millrace::broker::protocol {
namespace {

using Handler = void (*)(const Request&);

Handler handler_of(wire::Api api) {
    switch (api) {
        case wire::Api::hello:
            return handle_hello;
        case wire::Api::metadata:
            return handle_metadata;
        case wire::Api::status:
            return handle_status;
        case wire::Api::publish:
            return handle_publish;
        case wire::Api::fetch:
            return handle_fetch;
        case wire::Api::list_offsets:
            return handle_list_offsets;
        case wire::Api::replay_read:
            return handle_replay_read;
        case wire::Api::topic_create:
            return handle_topic_create;
        case wire::Api::topic_alter:
            return handle_topic_alter;
        case wire::Api::topic_delete:
            return handle_topic_delete;
        default:
            return nullptr;
    }
}

}  // namespace

bool dispatch(const Request& request) {
    const auto handler = handler_of(static_cast<wire::Api>(request.header.api));
    if (handler == nullptr) {
        return false;
    }
    handler(request);
    return true;
}

}  // namespace millrace::broker::protocol
