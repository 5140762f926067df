#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace millrace::testing {

/// A real millraced on loopback with a data directory of its own, that can be killed and started
/// again.
class Daemon {
  public:
    explicit Daemon(std::vector<std::string> arguments = {});
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    Daemon(Daemon&&) = delete;
    Daemon& operator=(Daemon&&) = delete;
    ~Daemon();

    /// Returns when it is ready to serve; throws with the end of its log when it is not within 60
    /// s. The first start picks a free port, later ones keep it.
    void start();
    /// SIGKILL, and waits for its end.
    void kill();
    /// SIGTERM; returns the exit code.
    int stop();
    [[nodiscard]] std::string address() const;
    [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
    [[nodiscard]] std::string log_text() const;

  private:
    std::filesystem::path directory_;
    std::vector<std::string> arguments_;
    std::string port_ = "0";
    pid_t pid_ = -1;
};

}  // namespace millrace::testing
