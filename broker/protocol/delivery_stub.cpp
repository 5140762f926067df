#include "broker/protocol/session.hpp"
namespace millrace::broker::protocol {
void end_deliveries(Session& /*session*/) {}
}  // namespace millrace::broker::protocol
