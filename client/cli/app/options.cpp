#include "client/cli/app/options.hpp"

#include <sstream>

namespace millrace::cli {

CLI::App& add_family(CLI::App& parent, const CommandText& text) {
    CLI::App* command = parent.add_subcommand(text.name, text.help);
    command->require_subcommand(1);
    std::string footer;
    if (!text.examples.empty()) {
        footer = "Examples:\n";
        std::istringstream lines(text.examples);
        for (std::string line; std::getline(lines, line);) {
            footer += "  " + line + "\n";
        }
    }
    command->footer(footer + "\nEvery command takes --brokers, --output, --timeout and --quiet.");
    return *command;
}

CLI::Validator positive_number() {
    return {[](const std::string& text) {
                const bool is_one =
                    !text.starts_with('-') && text.find_first_of("123456789") != std::string::npos;
                return is_one ? std::string() : "\"" + text + "\" is no number from 1 up";
            },
            ""};
}

CLI::Option* add_topics(CLI::App& app, std::vector<std::string>& topics, const std::string& help) {
    return app.add_option("-t,--topic", topics, help + "; may come again")
        ->allow_extra_args(false)
        ->type_name("TOPIC");
}

}  // namespace millrace::cli
