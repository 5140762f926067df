#include "storage/recycler.hpp"

#include <vector>

#include "storage/base/logging.hpp"

namespace millrace::storage {

bool Recycler::is_free(SegmentSequence sequence, const SegmentRow& row) {
    if (row.live_bytes > 0) {
        return false;
    }
    if (mover_.has_moved(sequence)) {
        return true;
    }
    mover_.note_waiting(sequence);
    return false;
}

void Recycler::step(BatchIndex& index, KeyValueStore& rows) {
    std::vector<SegmentSequence> dead;
    for (const auto& [sequence, row] : index.sealed_segments()) {
        if (is_free(sequence, row)) {
            dead.push_back(sequence);
        } else if (in_order_) {
            break;
        }
    }
    KeyValueBatch batch;
    bool changed = false;
    for (const auto sequence : dead) {
        if (files_.release(sequence)) {
            index.forget_segment(batch, sequence);
            changed = true;
        } else if (in_order_) {
            break;
        }
    }
    if (changed) {
        if (const auto written = rows.write(std::move(batch), Durability::later); !written) {
            log_error("storage", written.error().text);
        }
    }
}

}  // namespace millrace::storage
