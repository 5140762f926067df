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
        case wire::Api::cluster_status:
        case wire::Api::cluster_transfer:
        case wire::Api::cluster_join:
        case wire::Api::cluster_remove:
        case wire::Api::cluster_drain:
            return handle_cluster;
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
        case wire::Api::group_join:
        case wire::Api::group_heartbeat:
        case wire::Api::group_leave:
        case wire::Api::offset_commit:
        case wire::Api::offset_fetch:
        case wire::Api::group_list:
        case wire::Api::group_describe:
            return handle_group;
        case wire::Api::subscription_create:
        case wire::Api::subscription_delete:
        case wire::Api::subscription_list:
        case wire::Api::subscription_describe:
        case wire::Api::subscription_control:
        case wire::Api::subscription_alter:
            return handle_subscription_admin;
        case wire::Api::subscription_open:
        case wire::Api::subscription_credit:
        case wire::Api::subscription_settle:
        case wire::Api::subscription_close:
            return handle_subscription_consumer;
        case wire::Api::letter_list:
        case wire::Api::letter_show:
        case wire::Api::letter_change:
        case wire::Api::letter_group:
            return handle_letters;
        case wire::Api::job_create:
        case wire::Api::job_list:
        case wire::Api::job_show:
        case wire::Api::job_control:
            return handle_jobs;
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
