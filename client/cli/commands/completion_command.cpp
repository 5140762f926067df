#include <ostream>

#include "client/cli/app/completion.hpp"
#include "client/cli/app/options.hpp"
#include "client/cli/commands/commands.hpp"

namespace millrace::cli {
namespace {

constexpr Names<Shell, 3> shell_names{
    {{"bash", Shell::bash}, {"zsh", Shell::zsh}, {"fish", Shell::fish}}};

struct CompletionOptions {
    Shell shell = Shell::bash;
    const CLI::App* root = nullptr;
};

ExitCode print_completion(Session& session, const CompletionOptions& options) {
    session.out() << format_completion(*options.root, options.shell);
    return ExitCode::ok;
}

}  // namespace

void add_completion_command(Registry& registry) {
    auto options = std::make_shared<CompletionOptions>();
    options->root = &registry.app;
    CLI::App& command = add_command(registry,
                                    {"completion",
                                     "Print a completion script for a shell",
                                     "source <(millrace completion bash)\n"
                                     "millrace completion zsh > \"${fpath[1]}/_millrace\"\n"
                                     "millrace completion fish | source"},
                                    options,
                                    print_completion);
    add_choice(command, "SHELL", options->shell, choice(shell_names, "Which shell"))->required();
}

}  // namespace millrace::cli
