#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "client/cli/app/session.hpp"
#include "client/cli/text/enum_names.hpp"

namespace millrace::cli {

/// Where a family of commands adds itself.
struct Registry {
    CLI::App& app;
    Action& chosen;
};

/// What help says about a command.
struct CommandText {
    std::string name;
    std::string help;
    std::string examples;  ///< one a line
};

/// Adds a command that has commands of its own.
[[nodiscard]] CLI::App& add_family(CLI::App& parent, const CommandText& text);
/// Adds a command; `run` gets the session and the filled options.
template <class Options>
CLI::App& add_command(Registry& registry,
                      const CommandText& text,
                      const std::shared_ptr<Options>& options,
                      ExitCode (*run)(Session&, const Options&)) {
    CLI::App& command = add_family(registry.app, text);
    command.require_subcommand(0);
    Action& chosen = registry.chosen;
    command.callback([options, run, &chosen] {
        chosen = [options, run](Session& session) { return run(session, *options); };
    });
    return command;
}

/// An option with a closed set of words; help and completion show them.
template <class Enum, std::size_t Count, class Target>
CLI::Option* add_choice(CLI::App& app,
                        const std::string& name,
                        Target& target,
                        const std::pair<const Names<Enum, Count>&, std::string>& words) {
    std::string shown;
    std::vector<std::string> allowed;
    for (const auto& [word, value] : words.first) {
        shown += (shown.empty() ? "" : "|") + std::string(word);
        allowed.emplace_back(word);
    }
    const Names<Enum, Count>& names = words.first;
    auto* option = app.add_option_function<std::string>(
        name,
        [&target, &names](const std::string& word) { target = *find_named(names, word); },
        words.second);
    return option->check(CLI::IsMember(allowed).description(""))->type_name(shown);
}
/// For counts. CLI11's own names the whole range of doubles in its error.
[[nodiscard]] CLI::Validator positive_number();
/// `-t,--topic`, which may come again and takes one word each time, so that names can follow it.
CLI::Option* add_topics(CLI::App& app, std::vector<std::string>& topics, const std::string& help);
/// Binds the words to their help for `add_choice`.
template <class Enum, std::size_t Count>
[[nodiscard]] std::pair<const Names<Enum, Count>&, std::string> choice(
    const Names<Enum, Count>& names, std::string help) {
    return {names, std::move(help)};
}

}  // namespace millrace::cli
