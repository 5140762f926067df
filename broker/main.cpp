#include <chrono>
#include <iostream>
#include <vector>

#include "broker/config/config.hpp"
#include "broker/gateways/http/hooks/hook_file.hpp"
#include "broker/node.hpp"
#include "broker/node_control.hpp"
#include "broker/node_membership.hpp"
#include "broker/odoo_wiring/odoo_feed.hpp"
#include "broker/odoo_wiring/odoo_source.hpp"

namespace {

constexpr int usage_exit_code = 2;
/// One that fails again at once must not keep a core busy with it.
constexpr std::chrono::milliseconds rest_before_restart{200};

int check(const millrace::broker::Config& config) {
    auto checked = millrace::broker::check_cluster_settings(config);
    if (checked) {
        checked = millrace::broker::check_odoo_settings(config);
    }
    if (checked) {
        checked = millrace::broker::check_odoo_source(config);
    }
    if (checked && !config.hooks_file.empty()) {
        if (const auto hooks = millrace::broker::http::load_hook_file(config.hooks_file); !hooks) {
            checked = hooks.error();
        }
    }
    if (!checked) {
        std::cerr << "millraced: " << checked.error().text << '\n';
        return usage_exit_code;
    }
    std::cout << "configuration is good\n";
    return 0;
}

/// A node that loses the lead of its cluster, or has to copy a shard, begins anew, where clients
/// and other nodes know it.
int serve(millrace::broker::Config config) {
    using millrace::broker::Node;
    millrace::broker::StopSignals stop_signals;
    Node::Left left;
    while (true) {
        Node node(config, left);
        const auto ended = node.run();
        if (!ended) {
            std::cerr << "millraced: " << ended.error().text << '\n';
            return 1;
        }
        if (ended.value() == Node::Ending::stop) {
            return 0;
        }
        left = node.left();
        const auto ports = node.ports();
        config.port = ports.native != 0 ? ports.native : config.port;
        config.http_port = ports.http != 0 ? ports.http : config.http_port;
        if (stop_signals.wait(rest_before_restart)) {
            return 0;
        }
    }
}

int run(int argc, char** argv) {
    using millrace::broker::CommandLine;
    auto line = millrace::broker::parse_command_line(argc, argv, "0.1.0");
    if (!line) {
        std::cerr << "millraced: " << line.error().text << '\n';
        return usage_exit_code;
    }
    switch (line.value().action) {
        case CommandLine::Action::exit:
            return line.value().exit_code;
        case CommandLine::Action::check:
            return check(line.value().config);
        case CommandLine::Action::print:
            std::cout << millrace::broker::format_config(line.value().config);
            return 0;
        case CommandLine::Action::document:
            std::cout << millrace::broker::format_config_table();
            return 0;
        case CommandLine::Action::serve:
            break;
    }
    return serve(line.value().config);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "millraced: " << error.what() << '\n';
        return 1;
    }
}
