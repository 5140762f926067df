#include "storage/index/index_marks.hpp"

#include <string>
#include <string_view>
#include <utility>

#include "storage/base/logging.hpp"

namespace millrace::storage {
namespace {

constexpr std::string_view epoch_key = "mepoch";
constexpr std::string_view checkpoint_key = "mcheckpoint";
constexpr std::string_view sealed_key = "msealed";
constexpr std::string_view building_key = "mbuilding";  ///< 1 until the first checkpoint

Result<OpenedIndex> open_rows(const std::string& directory,
                              const std::shared_ptr<KeyValueMemory>& memory) {
    OpenedIndex index;
    MILLRACE_TRY(index.rows, KeyValueStore::open(directory, memory));
    MILLRACE_TRY(index.marks.epoch, load_number(*index.rows, epoch_key));
    MILLRACE_TRY(index.marks.checkpoint.value, load_number(*index.rows, checkpoint_key));
    MILLRACE_TRY(index.marks.sealed_upto.value, load_number(*index.rows, sealed_key));
    index.is_empty = index.marks.epoch == 0;
    return index;
}

}  // namespace

Result<OpenedIndex> open_index(const StoreOptions& options) {
    const auto directory = options.directory + "/index";
    auto memory = options.index_memory;
    if (options.index_in_memory && memory == nullptr) {
        memory = std::make_shared<KeyValueMemory>();
    }
    if (!options.rebuild_index) {
        MILLRACE_TRY(auto index, open_rows(directory, memory));
        MILLRACE_TRY(const auto building, load_number(*index.rows, building_key));
        if (building == 0) {
            return index;
        }
        log_warning("storage", directory + ": was not built to the end, and is built anew");
    }
    MILLRACE_TRY(KeyValueStore::destroy(directory, memory.get()));
    return open_rows(directory, memory);
}

void mark_opened(KeyValueBatch& batch, std::uint64_t epoch, bool is_empty) {
    batch.put(epoch_key, format_number(epoch));
    if (is_empty) {
        batch.put(building_key, format_number(1));
    }
}

void mark_checkpoint(KeyValueBatch& batch,
                     CommitSequence upto,
                     std::optional<SegmentSequence> sealed_upto) {
    batch.put(checkpoint_key, format_number(upto.value));
    if (sealed_upto) {
        batch.put(sealed_key, format_number(sealed_upto->value));
    }
    batch.erase(building_key);
}

}  // namespace millrace::storage
