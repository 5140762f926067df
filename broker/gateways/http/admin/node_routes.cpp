#include "broker/gateways/http/admin/node_routes.hpp"

#include "broker/gateways/http/admin/members.hpp"

namespace millrace::broker::http {
namespace {

NodeAdmission::Done answer_accepted(const Call& call) {
    return [call](const Result<void>& done) {
        done ? call.answer(Json::object(), status_accepted) : call.refuse(done.error());
    };
}

/// Whether there is anything to join.
bool is_alone(const NodeAdmission& admission, const Call& call) {
    if (!admission.add) {
        call.refuse(fail(Errc::conflict,
                         "this node stands alone: begin with cluster_nodes that names it, and "
                         "others can join"));
    }
    return !admission.add;
}

/// The node that the path names; nothing where it was refused.
std::optional<std::uint64_t> node_of(const NodeAdmission& admission, const Call& call) {
    if (is_alone(admission, call)) {
        return std::nullopt;
    }
    const auto node = call.path_number("node");
    if (!node) {
        call.refuse(fail(Errc::not_found, "there is no node \"" + call.path_param("node") + "\""));
    }
    return node;
}

/// Whether a node is to lead.
Route drain_route(const NodeAdmission& admission,
                  const std::string& verb,
                  std::string_view summary,
                  bool drained) {
    return {.method = Method::post,
            .pattern = "/v1/cluster/nodes/{node}/" + verb,
            .summary = summary,
            .handle =
                [&admission, drained](const Call& call) {
                    if (const auto node = node_of(admission, call)) {
                        admission.drain(*node, drained, answer_accepted(call));
                    }
                },
            .success = status_accepted};
}

}  // namespace

Routes node_routes(const NodeAdmission& admission) {
    return {{.method = Method::post,
             .pattern = "/v1/cluster/nodes",
             .summary = "Lets a node join: it copies what there is and becomes a voter. At the "
                        "node that leads; /v1/cluster shows how far it is.",
             .handle =
                 [&admission](const Call& call) {
                     if (is_alone(admission, call)) {
                         return;
                     }
                     std::uint64_t node = 0;
                     std::string address;
                     take(call.body, "node", node);
                     take(call.body, "address", address);
                     admission.add(node, address, answer_accepted(call));
                 },
             .body = {.need = BodyNeed::required,
                      .content_types = {"application/json"},
                      .fields = {{.name = "node",
                                  .type = FieldType::integer,
                                  .help = "Its node_id.",
                                  .is_required = true},
                                 {.name = "address",
                                  .help = "Where it hears the others, as in its cluster_nodes.",
                                  .is_required = true}}},
             .success = status_accepted},
            {.method = Method::del,
             .pattern = "/v1/cluster/nodes/{node}",
             .summary = "Takes a node out of the cluster: it counts and is sent nothing any more. "
                        "At the node that leads; that hands the lead on first where it goes "
                        "itself, and the next one takes it out.",
             .handle =
                 [&admission](const Call& call) {
                     if (const auto node = node_of(admission, call)) {
                         admission.remove(*node, answer_accepted(call));
                     }
                 },
             .success = status_accepted},
            drain_route(admission,
                        "drain",
                        "Lets a node lead no more, nor vote where another can in its place. At the "
                        "node that leads; /v1/cluster shows how far it is.",
                        true),
            drain_route(admission, "undrain", "Lets a node lead and vote again.", false)};
}

}  // namespace millrace::broker::http
