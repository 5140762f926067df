#include "broker/runtime/uring_disk.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace millrace::broker {
namespace {

/// One read or write; deletes itself with its completion.
class DiskOperation final : public RingOperation {
  public:
    DiskOperation(UringDisk& disk, storage::DiskDone done)
        : RingOperation(Kind::disk), disk_(disk), done_(std::move(done)) {
        disk_.operation_began();
    }
    void complete(std::int32_t result, std::uint32_t /*flags*/) override {
        const std::unique_ptr<DiskOperation> self(this);
        disk_.operation_ended();
        done_(result);
    }

  private:
    UringDisk& disk_;
    storage::DiskDone done_;
};

class UringFile final : public storage::PosixFile {
  public:
    UringFile(UringDisk& disk, int descriptor, const std::string& path)
        : PosixFile(descriptor, path), disk_(disk) {}

    void write_durable(Position at,
                       std::span<const std::byte> bytes,
                       storage::DiskDone done) override {
        auto& entry =
            prepare(at, bytes, std::move(done), io_uring_prep_write, io_uring_prep_write_fixed);
        entry.rw_flags = RWF_DSYNC;
    }
    void read(Position at, std::span<std::byte> out, storage::DiskDone done) override {
        prepare(at, out, std::move(done), io_uring_prep_read, io_uring_prep_read_fixed);
    }

  private:
    /// `prepare_fixed` for memory that the ring knows, else `prepare_plain`.
    template <class Bytes, class PreparePlain, class PrepareFixed>
    io_uring_sqe& prepare(Position at,
                          Bytes bytes,
                          storage::DiskDone done,
                          PreparePlain prepare_plain,
                          PrepareFixed prepare_fixed) {
        auto operation = std::make_unique<DiskOperation>(disk_, std::move(done));
        auto* const entry = disk_.ring().prepare(operation.release());
        const auto length = static_cast<unsigned>(bytes.size());
        const int buffer = disk_.ring().tables().buffer_of(bytes);
        if (buffer == RingTables::none) {
            prepare_plain(entry, descriptor(), bytes.data(), length, at.value);
        } else {
            prepare_fixed(entry, descriptor(), bytes.data(), length, at.value, buffer);
        }
        file().apply(*entry);
        return *entry;
    }
    /// In the table from its first operation on: files are opened on other threads, too.
    const RingFile& file() {
        if (!registered_) {
            registered_.emplace(disk_.ring().tables(), descriptor());
        }
        return *registered_;
    }

    UringDisk& disk_;
    std::optional<RingFile> registered_;
};

}  // namespace

Result<std::unique_ptr<storage::File>> UringDisk::open(const std::string& path,
                                                       storage::OpenMode mode) {
    MILLRACE_TRY(const int descriptor, open_descriptor(path, mode));
    return std::unique_ptr<storage::File>(std::make_unique<UringFile>(*this, descriptor, path));
}

void UringDisk::drain() {
    while (outstanding_ > 0) {
        ring_.wait_for_disk();
    }
}

}  // namespace millrace::broker
