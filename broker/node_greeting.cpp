#include "broker/node_greeting.hpp"

#include <filesystem>
#include <fstream>
#include <iostream>

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace millrace::broker {

Result<void> NodeGreeting::write_ready_file(const std::string& path, const char* role) const {
    if (path.empty()) {
        return ok();
    }
    const nlohmann::json json{{"native", format_endpoint(native)},
                              {"http", format_endpoint(http)},
                              {"role", role},
                              {"pid", ::getpid()}};
    const auto temporary = path + ".new";
    std::ofstream(temporary) << json.dump() << '\n';
    std::error_code code;
    std::filesystem::rename(temporary, path, code);
    if (code) {
        return fail(Errc::configuration,
                    "ready_file: cannot write " + path + ": " + code.message());
    }
    return ok();
}

void NodeGreeting::print_first_steps() const {
    const auto address = format_endpoint(native);
    std::cout << "millraced " << version << " serves on " << address << ", HTTP on http://"
              << format_endpoint(http) << "\ndata in "
              << std::filesystem::absolute(data_dir).lexically_normal().string() << ", "
              << shard_count << " shard(s)\n\nFirst steps:\n"
              << "  millrace --brokers " << address
              << " topic create plant1.mes.workorder.finished --partitions 4\n"
              << "  echo '{\"order\":\"WO-1\"}' | millrace --brokers " << address
              << " publish plant1.mes.workorder.finished\n"
              << "  millrace --brokers " << address
              << " consume plant1.mes.workorder.finished --from beginning\n"
              << std::flush;
}

}  // namespace millrace::broker
