#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "broker/odoo/source/sweep.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::odoo {

/// The cursors of the sweep in a file of their own, written anew as a whole.
///
/// Promise:  `save` does not wait for the disk; of several the last one counts. A crash leaves the
///           cursors of one `save` or of an earlier one.
/// Threads:  any one; the disk is waited for on a thread of this one's.
/// Failure:  what cannot be written is logged; the sweep then repeats after a restart.
class CursorFile {
  public:
    explicit CursorFile(std::string path);
    CursorFile(const CursorFile&) = delete;
    CursorFile& operator=(const CursorFile&) = delete;
    CursorFile(CursorFile&&) = delete;
    CursorFile& operator=(CursorFile&&) = delete;
    /// Writes what is left.
    ~CursorFile();

    /// None when there is no file. Errors: malformed, which names the file.
    [[nodiscard]] static Result<SweepCursors> load(const std::string& path);
    void save(const SweepCursors& cursors);

  private:
    void write_all();
    [[nodiscard]] Result<void> write(const std::string& text) const;

    std::string path_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<std::string> next_;
    bool is_ending_ = false;
    std::thread thread_;
};

}  // namespace millrace::broker::odoo
