#include "broker/odoo/source/cursor_file.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "storage/base/logging.hpp"

namespace millrace::broker::odoo {
namespace {

constexpr int file_mode = 0640;

class Descriptor {
  public:
    Descriptor(const std::string& path, int flags)
        : number_(::open(path.c_str(), flags | O_CLOEXEC, file_mode)) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor(Descriptor&&) = delete;
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (number_ >= 0) {
            ::close(number_);
        }
    }
    [[nodiscard]] int number() const { return number_; }

  private:
    int number_;
};

Error error_of(const std::string& path) {
    return fail(Errc::io, "cannot write " + path + ": " + std::generic_category().message(errno));
}

}  // namespace

CursorFile::CursorFile(std::string path)
    : path_(std::move(path)), thread_([this] { write_all(); }) {}

CursorFile::~CursorFile() {
    {
        const std::lock_guard lock(mutex_);
        is_ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

Result<SweepCursors> CursorFile::load(const std::string& path) {
    std::error_code code;
    if (!std::filesystem::exists(path, code)) {
        return SweepCursors();
    }
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    auto cursors = parse_cursors(text.str());
    if (!cursors) {
        return fail(
            Errc::malformed,
            path + ": " + cursors.error().text + "; mend it, or remove it to sweep from now on");
    }
    return cursors;
}

void CursorFile::save(const SweepCursors& cursors) {
    {
        const std::lock_guard lock(mutex_);
        next_ = format_cursors(cursors);
    }
    changed_.notify_one();
}

void CursorFile::write_all() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return next_ || is_ending_; });
        if (!next_) {
            return;
        }
        const auto text = std::exchange(next_, {}).value();
        lock.unlock();
        if (const auto written = write(text); !written) {
            log_error("odoo-source", written.error().text);
        }
        lock.lock();
    }
}

Result<void> CursorFile::write(const std::string& text) const {
    const auto temporary = path_ + ".new";
    {
        const Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
        if (file.number() < 0 ||
            ::write(file.number(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
            ::fsync(file.number()) != 0) {
            return error_of(temporary);
        }
    }
    if (::rename(temporary.c_str(), path_.c_str()) != 0) {
        return error_of(path_);
    }
    const Descriptor folder(std::filesystem::path(path_).parent_path().string(),
                            O_RDONLY | O_DIRECTORY);
    if (folder.number() < 0 || ::fsync(folder.number()) != 0) {
        return error_of(path_);
    }
    return ok();
}

}  // namespace millrace::broker::odoo
