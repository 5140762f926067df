#include "tests/unit/storage/copy/power_cut.hpp"

#include <cerrno>
#include <utility>

namespace millrace::storage::testing {
namespace {

Error power_is_off() {
    return fail(Errc::io, "the power is off", EIO);
}

}  // namespace

class PowerCutFile final : public File {
  public:
    PowerCutFile(PowerCut& disk, std::unique_ptr<File> file)
        : disk_(disk), file_(std::move(file)) {}

    void write_durable(Position at, std::span<const std::byte> bytes, DiskDone done) override {
        file_->write_durable(at, bytes, std::move(done));
    }
    void read(Position at, std::span<std::byte> out, DiskDone done) override {
        if (disk_.is_off()) {
            done(-EIO);
            return;
        }
        file_->read(at, out, std::move(done));
    }
    Result<std::size_t> read_now(Position at, std::span<std::byte> out) override {
        if (disk_.is_off()) {
            return power_is_off();
        }
        return file_->read_now(at, out);
    }
    Result<void> write_now(Position at, std::span<const std::byte> bytes) override {
        const auto power = disk_.spend();
        if (power == PowerCut::Power::off) {
            return power_is_off();
        }
        // A crash keeps any part of what was written and not synced.
        MILLRACE_TRY(file_->write_now(at, bytes));
        if (power == PowerCut::Power::goes) {
            return power_is_off();
        }
        return ok();
    }
    Result<void> sync_now() override {
        if (disk_.spend() != PowerCut::Power::on) {
            return power_is_off();
        }
        return file_->sync_now();
    }
    Result<std::uint64_t> size_bytes() override {
        if (disk_.is_off()) {
            return power_is_off();
        }
        return file_->size_bytes();
    }

  private:
    PowerCut& disk_;
    std::unique_ptr<File> file_;
};

PowerCut::Power PowerCut::spend() {
    if (is_off_) {
        return Power::off;
    }
    if (calls_left_ == 0) {
        is_off_ = true;
        return Power::goes;
    }
    --calls_left_;
    return Power::on;
}

Result<std::unique_ptr<File>> PowerCut::open(const std::string& path, OpenMode mode) {
    if (is_off_ || (mode == OpenMode::create && spend() != Power::on)) {
        return power_is_off();
    }
    MILLRACE_TRY(auto file, disk_.open(path, mode));
    return std::unique_ptr<File>(std::make_unique<PowerCutFile>(*this, std::move(file)));
}

Result<void> PowerCut::make_directories(const std::string& path) {
    if (spend() != Power::on) {
        return power_is_off();
    }
    return disk_.make_directories(path);
}

Result<std::vector<std::string>> PowerCut::list(const std::string& directory) {
    if (is_off_) {
        return power_is_off();
    }
    return disk_.list(directory);
}

Result<void> PowerCut::rename(const std::string& from, const std::string& to) {
    if (spend() != Power::on) {
        return power_is_off();
    }
    return disk_.rename(from, to);
}

Result<void> PowerCut::remove(const std::string& path) {
    if (spend() != Power::on) {
        return power_is_off();
    }
    return disk_.remove(path);
}

Result<void> PowerCut::truncate(const std::string& path, std::uint64_t bytes) {
    if (spend() != Power::on) {
        return power_is_off();
    }
    return disk_.truncate(path, bytes);
}

Result<void> PowerCut::remove_directory(const std::string& path) {
    const auto power = spend();
    if (power == Power::on) {
        return disk_.remove_directory(path);
    }
    // Every other file is gone.
    std::size_t number = 0;
    for (const auto& file : disk_.paths()) {
        if (power == Power::goes && file.starts_with(path + "/") && number++ % 2 == 0) {
            MILLRACE_TRY(disk_.remove(file));
        }
    }
    return power_is_off();
}

Result<bool> PowerCut::exists(const std::string& path) {
    if (is_off_) {
        return power_is_off();
    }
    return disk_.exists(path);
}

Result<void> PowerCut::sync_directory(const std::string& directory) {
    if (spend() != Power::on) {
        return power_is_off();
    }
    return disk_.sync_directory(directory);
}

Result<std::uint64_t> PowerCut::free_bytes(const std::string& path) {
    if (is_off_) {
        return power_is_off();
    }
    return disk_.free_bytes(path);
}

}  // namespace millrace::storage::testing
