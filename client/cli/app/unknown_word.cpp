#include "client/cli/app/unknown_word.hpp"

#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>

#include "client/cli/text/suggest.hpp"

namespace millrace::cli {
namespace {

std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        names.push_back(command->get_name());
        const auto& aliases = command->get_aliases();
        names.insert(names.end(), aliases.begin(), aliases.end());
    }
    return names;
}

/// Of the command and, since global ones may stand anywhere, of all above it.
const CLI::Option* find_option(const CLI::App* app, const std::string& name) {
    for (; app != nullptr; app = app->get_parent()) {
        if (const CLI::Option* option = app->get_option_no_throw(name)) {
            return option;
        }
    }
    return nullptr;
}

void append_names(std::vector<std::string>& names, const CLI::Option& option) {
    for (const std::string& name : option.get_lnames()) {
        names.push_back("--" + name);
    }
}

std::vector<std::string> option_names(const CLI::App* app) {
    std::vector<std::string> names;
    for (; app != nullptr; app = app->get_parent()) {
        for (const CLI::Option* option : app->get_options()) {
            append_names(names, *option);
        }
    }
    return names;
}

std::string path_of(const CLI::App* app) {
    return app->get_parent() == nullptr ? app->get_name()
                                        : path_of(app->get_parent()) + " " + app->get_name();
}

std::string explain(const std::string& what, const CLI::App* app, const std::string& meant) {
    return what + (meant.empty() ? std::string() : "; did you mean " + meant + "?") + " (see " +
           path_of(app) + " --help)";
}

std::string explain_option(const CLI::App* app, const std::string& name) {
    return explain(
        "unknown option " + name, app, nearest(name, option_names(app)).value_or(std::string()));
}

std::string explain_command(const CLI::App* app, const std::string& word) {
    return explain("unknown command \"" + word + "\"",
                   app,
                   nearest(word, command_names(*app)).value_or(std::string()));
}

/// A family alone does nothing.
std::string explain_missing_command(const CLI::App* app) {
    std::string names;
    for (const std::string& name : command_names(*app)) {
        names += (names.empty() ? "" : ", ") + name;
    }
    return names.empty() ? names : app->get_name() + " needs a command: " + names;
}

const CLI::App* find_command(const CLI::App& app, const std::string& word) {
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (command->check_name(word)) {
            return command;
        }
    }
    return nullptr;
}

}  // namespace

std::string explain_unknown_word(const CLI::App& root, const std::vector<std::string>& words) {
    const CLI::App* app = &root;
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        const std::string& word = words[i];
        const bool is_family = !command_names(*app).empty();
        const bool is_option = word.size() > 1 && word.front() == '-';
        if (!is_option && !is_family) {
            continue;
        }
        const CLI::App* const command = is_option ? app : find_command(*app, word);
        if (command == nullptr) {
            return explain_command(app, word);
        }
        app = command;
        if (!is_option) {
            continue;
        }
        const auto equals = word.find('=');
        const std::string name =
            word.starts_with("--") ? word.substr(0, equals) : word.substr(0, 2);
        const CLI::Option* option = find_option(app, name);
        if (option == nullptr) {
            return explain_option(app, name);
        }
        const bool has_value_inside =
            equals != std::string::npos || (!word.starts_with("--") && word.size() > 2);
        i += option->get_items_expected_max() > 0 && !has_value_inside ? 1U : 0U;
    }
    return explain_missing_command(app);
}

}  // namespace millrace::cli
