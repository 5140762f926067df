#include "client/wire/vector_alignment.hpp"

#include "client/wire/schema/groups_generated.h"
#include "client/wire/schema/records_generated.h"
#include "client/wire/schema/subscriptions_generated.h"

namespace millrace::wire {

static_assert(sizeof(CommittedOffset) == committed_offset_bytes);
static_assert(sizeof(PublishAck) == publish_ack_bytes);
static_assert(sizeof(FetchPartition) == fetch_partition_bytes);
static_assert(sizeof(PartitionOffset) == partition_offset_bytes);
static_assert(sizeof(DeliveryEntry) == delivery_entry_bytes);

}  // namespace millrace::wire
