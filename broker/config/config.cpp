#include "broker/config/config.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <map>

#include <CLI/CLI.hpp>
#include <yaml-cpp/yaml.h>

#include "broker/config/config_keys.hpp"

namespace millrace::broker {
namespace {

Error at_line(const std::string& path, const YAML::Mark& mark, const std::string& text) {
    return fail(Errc::configuration, path + ":" + std::to_string(mark.line + 1) + ": " + text);
}

Result<void> check_words(const Config& config) {
    const std::array<std::string_view, 4> levels{"debug", "info", "warning", "error"};
    if (std::ranges::find(levels, config.log_level) == levels.end()) {
        return fail(Errc::configuration,
                    "log_level: \"" + config.log_level + "\" is not debug, info, warning or error");
    }
    return ok();
}

Result<void> apply_node(const std::string& path, const YAML::Node& root, Config& config) {
    if (root.IsNull()) {
        return ok();
    }
    if (!root.IsMap()) {
        return at_line(path, root.Mark(), "a configuration is a map of keys and values");
    }
    for (const auto& entry : root) {
        const auto name = entry.first.as<std::string>();
        const auto keys = config_keys();
        const auto key = std::ranges::find(keys, name, &ConfigKey::name);
        if (key == keys.end()) {
            return at_line(path,
                           entry.first.Mark(),
                           "unknown key \"" + name + "\"; did you mean \"" +
                               std::string(nearest_key(name)) + "\"?");
        }
        if (!entry.second.IsScalar()) {
            return at_line(path, entry.second.Mark(), name + " takes one value");
        }
        if (const auto set = key->set(config, entry.second.as<std::string>()); !set) {
            return at_line(path, entry.second.Mark(), set.error().text);
        }
    }
    return ok();
}

}  // namespace

Result<Config> parse_config_file(const std::string& path, Config config) {
    // The library reports by exceptions; this is its one adapter.
    try {
        MILLRACE_TRY(apply_node(path, YAML::LoadFile(path), config));
    } catch (const YAML::BadFile&) {
        return fail(Errc::configuration, "cannot read " + path);
    } catch (const YAML::Exception& error) {
        return at_line(path, error.mark, error.msg);
    }
    MILLRACE_TRY(check_words(config));
    return config;
}

Result<Config> parse_environment(const char* (*lookup)(const char*), Config config) {
    for (const auto& key : config_keys()) {
        const auto variable = key.variable();
        const char* const value = lookup(variable.c_str());
        if (value == nullptr) {
            continue;
        }
        if (const auto set = key.set(config, value); !set) {
            return fail(Errc::configuration, variable + ": " + set.error().text);
        }
    }
    MILLRACE_TRY(check_words(config));
    return config;
}

std::string format_config(const Config& config) {
    std::string text;
    for (const auto& key : config_keys()) {
        const auto value = key.value_in(config);
        text += std::string(key.name) + ": " + (value.empty() ? "\"\"" : value) + "\n";
    }
    return text;
}

std::string format_config_table() {
    std::string text =
        "| key | flag | environment | default | what it does |\n|---|---|---|---|---|\n";
    const Config defaults;
    for (const auto& key : config_keys()) {
        text += "| `" + std::string(key.name) + "` | `" + key.flag() + "` | `" + key.variable() +
                "` | `" + key.value_in(defaults) + "` | " + std::string(key.help) + " |\n";
    }
    return text;
}

namespace {

using Flags = std::map<std::string_view, std::string>;

const char* variable_of_process(const char* name) {
    return std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread is started
}

Result<void> apply_flags(const Flags& given, Config& config) {
    for (const auto& key : config_keys()) {
        const auto found = given.find(key.name);
        if (found == given.end()) {
            continue;
        }
        if (const auto set = key.set(config, found->second); !set) {
            return fail(Errc::configuration, key.flag() + ": " + set.error().text);
        }
    }
    return ok();
}

/// File, then environment, then flags.
Result<Config> layer_settings(const std::string& file, const Flags& given) {
    Config config;
    if (!file.empty()) {
        MILLRACE_TRY(config, parse_config_file(file, std::move(config)));
    }
    MILLRACE_TRY(config, parse_environment(variable_of_process, std::move(config)));
    MILLRACE_TRY(apply_flags(given, config));
    MILLRACE_TRY(check_words(config));
    return config;
}

void add_flags(CLI::App& app, Flags& given) {
    for (const auto& key : config_keys()) {
        const std::string help(key.help);
        const auto set = [&given, name = key.name](const std::string& value) {
            given[name] = value;
        };
        const auto raise = [&given, name = key.name] { given[name] = "true"; };
        if (std::holds_alternative<bool Config::*>(key.member)) {
            app.add_flag_callback(key.flag(), raise, help);
        } else {
            app.add_option_function<std::string>(
                key.flag(), set, help + " Default: " + key.value_in(Config{}));
        }
    }
}

}  // namespace

Result<CommandLine> parse_command_line(int argc, char** argv, const char* version) {
    CLI::App app{
        "Millrace: a durable event broker and replay store.\n"
        "Without flags it serves one node on loopback with its data in ./millrace-data."};
    app.footer(
        "Every setting is also a key of the --config file and a variable MILLRACE_<KEY>; flags win "
        "over variables, variables over the file.\n"
        "Examples:\n  millraced\n  millraced --config /etc/millrace/millraced.yaml\n  millraced "
        "--data-dir /var/lib/millrace --shards 2\n"
        "  millraced config check --config millraced.yaml");
    app.set_version_flag("--version", std::string("millraced ") + version);
    app.require_subcommand(0, 1);
    std::string file;
    app.add_option("--config", file, "YAML file with settings")->envname("MILLRACE_CONFIG");
    Flags given;
    add_flags(app, given);
    auto* const config_command =
        app.add_subcommand("config", "look at the configuration instead of serving");
    config_command->require_subcommand(1);
    config_command->fallthrough();
    auto* const check =
        config_command->add_subcommand("check", "say whether the settings are good")->fallthrough();
    auto* const print =
        config_command->add_subcommand("print", "print the settings that would hold")
            ->fallthrough();
    auto* const document =
        config_command->add_subcommand("document", "print the table of all settings")
            ->fallthrough();
    CommandLine line;
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        line.action = CommandLine::Action::exit;
        line.exit_code = app.exit(error, std::cout, std::cerr) == 0 ? 0 : 2;
        return line;
    }
    MILLRACE_TRY(line.config, layer_settings(file, given));
    line.action = check->parsed()      ? CommandLine::Action::check
                  : print->parsed()    ? CommandLine::Action::print
                  : document->parsed() ? CommandLine::Action::document
                                       : CommandLine::Action::serve;
    return line;
}

}  // namespace millrace::broker
