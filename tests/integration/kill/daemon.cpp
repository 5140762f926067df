#include "tests/integration/kill/daemon.hpp"

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

namespace millrace::testing {
namespace {

std::filesystem::path make_directory() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "millrace-kill-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("cannot make a temporary directory");
    }
    return pattern;
}

std::string daemon_binary() {
    const char* const build = std::getenv("MILLRACE_BUILD_DIR");  // NOLINT(concurrency-mt-unsafe)
    return std::string(build == nullptr ? "." : build) + "/broker/millraced";
}

std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace

Daemon::Daemon(std::vector<std::string> arguments)
    : directory_(make_directory()), arguments_(std::move(arguments)) {}

Daemon::~Daemon() {
    if (pid_ > 0) {
        kill();
    }
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void Daemon::start() {
    const auto ready_file = directory_ / "ready.json";
    std::filesystem::remove(ready_file);
    std::vector<std::string> words{daemon_binary(),
                                   "--data-dir",
                                   (directory_ / "data").string(),
                                   "--port",
                                   port_,
                                   "--http-port",
                                   "0",
                                   "--ready-file",
                                   ready_file.string()};
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (auto& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    const auto log = (directory_ / "millraced.log").string();
    pid_ = ::fork();
    if (pid_ == 0) {
        const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        ::dup2(out, STDOUT_FILENO);
        ::dup2(out, STDERR_FILENO);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!std::filesystem::exists(ready_file)) {
        if (::waitpid(pid_, nullptr, WNOHANG) == pid_ ||
            std::chrono::steady_clock::now() > deadline) {
            pid_ = -1;
            throw std::runtime_error("millraced did not become ready:\n" + log_text());
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    const auto native =
        nlohmann::json::parse(read_file(ready_file)).at("native").get<std::string>();
    port_ = native.substr(native.rfind(':') + 1);
}

void Daemon::kill() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

int Daemon::stop() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string Daemon::address() const {
    return "127.0.0.1:" + port_;
}

std::string Daemon::log_text() const {
    return read_file(directory_ / "millraced.log");
}

}  // namespace millrace::testing
