#pragma once

#include <memory>

#include "broker/gateways/http/records/topic_reader.hpp"
#include "broker/gateways/http/server/message.hpp"

namespace millrace::broker::http {

/// Counts the streams that are open, and how many may be. A stream may be the last that knows it.
struct StreamOffice {
    std::size_t streams_max = 64;
    std::size_t open = 0;
    Gauge* gauge = nullptr;
    Counter* reached = nullptr;
};

/// A place among the open streams, given back when the last that holds it is gone.
[[nodiscard]] std::shared_ptr<const void> take_place(std::shared_ptr<StreamOffice> office);

/// Records as server-sent events: `data` is the record, `id` where to read on, so that
/// Last-Event-ID resumes behind it. `event: gap` names records that are lost, `event: error` is the
/// last one. A comment comes when nothing else does.
///
/// **Requires** a reader whose pieces have positions.
/// Threads:  the control thread.
[[nodiscard]] std::shared_ptr<BodySource> make_event_stream(std::shared_ptr<TopicReader> reader);

}  // namespace millrace::broker::http
