#include "broker/descriptor_limit.hpp"

#include <sys/resource.h>

namespace millrace::broker {
namespace {

/// For segments, the index, rings and what the program came with.
constexpr std::uint64_t descriptors_besides = 1024;

}  // namespace

std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    const auto before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

std::optional<std::string> find_descriptor_shortage(std::uint64_t descriptors,
                                                    std::uint64_t connections) {
    if (descriptors >= connections + descriptors_besides) {
        return std::nullopt;
    }
    return "no more than " + std::to_string(descriptors) +
           " files and sockets may be open, too few for the " + std::to_string(connections) +
           " connections that connections_max and http_connections_max allow: raise the hard limit "
           "of open files (LimitNOFILE), or lower those";
}

}  // namespace millrace::broker
