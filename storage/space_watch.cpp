#include "storage/space_watch.hpp"

#include "storage/base/logging.hpp"

namespace millrace::storage {

void SpaceWatch::look() {
    const auto free = disk_.free_bytes(options_.directory);
    free_bytes_ = free ? free.value() : 0;
    const bool is_short = free_bytes_ < options_.disk_reserve_bytes;
    if (is_short != is_short_) {
        log_warning("storage",
                    is_short ? "disk space is below disk_reserve_bytes: publishes are refused"
                             : "disk space is back: publishes are taken again");
    }
    is_short_ = is_short;
}

}  // namespace millrace::storage
