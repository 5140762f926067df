#include "broker/security/secrets.hpp"

#include <cstdlib>
#include <fstream>

namespace millrace::broker {
namespace {

Result<std::vector<std::string>> from_file(const std::string& name) {
    std::ifstream file(name);
    std::vector<std::string> secrets;
    for (std::string line; std::getline(file, line);) {
        if (line.ends_with('\r')) {
            line.pop_back();
        }
        if (!line.empty()) {
            secrets.push_back(std::move(line));
        }
    }
    if (secrets.empty()) {
        return fail(Errc::configuration, "no secret can be read from " + name);
    }
    return secrets;
}

}  // namespace

Result<std::vector<std::string>> load_secrets(const SecretSource& source) {
    if (source.file.empty() == source.variable.empty()) {
        return fail(Errc::configuration,
                    "a secret comes from a file or from a variable of the environment: name one");
    }
    if (!source.file.empty()) {
        return from_file(source.file);
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread is started
    const char* const value = std::getenv(source.variable.c_str());
    if (value == nullptr || *value == '\0') {
        return fail(Errc::configuration, "the variable " + source.variable + " is not set");
    }
    return std::vector<std::string>{value};
}

}  // namespace millrace::broker
