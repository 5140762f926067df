#include "client/cli/app/completion.hpp"

#include <algorithm>
#include <vector>

#include <CLI/CLI.hpp>

namespace millrace::cli {
namespace {

struct Choice {
    std::string option;
    std::vector<std::string> words;
};
struct Node {
    std::string path;  ///< "topic create"; empty: the root
    std::vector<std::pair<std::string, std::string>> commands;
    std::vector<std::pair<std::string, std::string>> options;  ///< own ones and the root's
    std::vector<Choice> choices;
};

std::vector<const CLI::App*> children_of(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App*) { return true; });
}

/// "table|json" as its words; none for a placeholder such as "TIME".
std::vector<std::string> words_of(const std::string& type_name) {
    std::vector<std::string> words;
    if (type_name.find('|') == std::string::npos || type_name.find('{') != std::string::npos) {
        return words;
    }
    std::size_t begin = 0;
    while (begin <= type_name.size()) {
        const auto bar = std::min(type_name.find('|', begin), type_name.size());
        words.push_back(type_name.substr(begin, bar - begin));
        begin = bar + 1;
    }
    return words;
}

bool has_option(const Node& node, const std::string& name) {
    return std::any_of(node.options.begin(), node.options.end(), [&](const auto& option) {
        return option.first == name;
    });
}

void append_option(Node& node, const CLI::Option& option) {
    const auto words = words_of(option.get_type_name());
    if (option.get_positional()) {
        for (const std::string& word : words) {
            node.commands.emplace_back(word, option.get_description());
        }
    }
    for (const std::string& name : option.get_lnames()) {
        if (has_option(node, "--" + name)) {
            continue;  // --help is everybody's
        }
        node.options.emplace_back("--" + name, option.get_description());
        if (!words.empty()) {
            node.choices.push_back({"--" + name, words});
        }
    }
}

void append_options(Node& node, const CLI::App& app) {
    for (const CLI::Option* option : app.get_options()) {
        append_option(node, *option);
    }
}

void append_nodes(std::vector<Node>& nodes, const CLI::App& root, const CLI::App& app) {
    Node node;
    for (const CLI::App* at = &app; at != &root; at = at->get_parent()) {
        node.path = at->get_name() + (node.path.empty() ? "" : " ") + node.path;
    }
    for (const CLI::App* child : children_of(app)) {
        node.commands.emplace_back(child->get_name(), child->get_description());
    }
    append_options(node, app);
    if (&app != &root) {
        append_options(node, root);
    }
    nodes.push_back(std::move(node));
    for (const CLI::App* child : children_of(app)) {
        append_nodes(nodes, root, *child);
    }
}

std::string join(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) {
        out += (out.empty() ? "" : " ") + word;
    }
    return out;
}

std::string names_of(const std::vector<std::pair<std::string, std::string>>& described) {
    std::vector<std::string> names;
    names.reserve(described.size());
    for (const auto& [name, help] : described) {
        names.push_back(name);
    }
    return join(names);
}

/// For bash and zsh: cases that set $words by "path|word before".
std::string format_cases(const std::vector<Node>& nodes) {
    std::string out = "    case \"$path|$before\" in\n";
    for (const Node& node : nodes) {
        for (const Choice& choice : node.choices) {
            out += "        '" + node.path + "|" + choice.option + "') words='" +
                   join(choice.words) + "' ;;\n";
        }
    }
    out += "        *) case \"$path\" in\n";
    for (const Node& node : nodes) {
        out += "            '" + node.path + "') words='" + names_of(node.commands) +
               (node.commands.empty() ? "" : " ") + names_of(node.options) + "' ;;\n";
    }
    return out + "        esac ;;\n    esac\n";
}

/// For bash and zsh: a function that says whether a path of commands exists.
std::string format_path_check(const std::vector<Node>& nodes) {
    std::string out = "_millrace_is_path() {\n    case \"$1\" in\n        ";
    for (const Node& node : nodes) {
        out += node.path.empty() ? "" : "'" + node.path + "'|";
    }
    out.pop_back();
    return out + ") return 0 ;;\n    esac\n    return 1\n}\n";
}

std::string format_bash(const std::vector<Node>& nodes) {
    return "# millrace completion for bash: source <(millrace completion bash)\n" +
           format_path_check(nodes) +
           "_millrace() {\n"
           "    local path='' words='' word longer i\n"
           "    local before=${COMP_WORDS[COMP_CWORD-1]} here=${COMP_WORDS[COMP_CWORD]}\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        word=${COMP_WORDS[i]}\n"
           "        longer=${path:+$path }$word\n"
           "        if _millrace_is_path \"$longer\"; then path=$longer; fi\n"
           "    done\n" +
           format_cases(nodes) +
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$here\"))\n"
           "}\n"
           "complete -o default -F _millrace millrace\n";
}

std::string format_zsh(const std::vector<Node>& nodes) {
    return "#compdef millrace\n"
           "# millrace completion for zsh: millrace completion zsh > \"${fpath[1]}/_millrace\"\n" +
           format_path_check(nodes) +
           "_millrace_complete() {\n"
           "    local path='' found='' word longer i\n"
           "    local before=${words[CURRENT-1]}\n"
           "    local -a given\n"
           "    given=(\"${words[@]}\")\n"
           "    local words=''\n"
           "    for ((i = 2; i < CURRENT; i++)); do\n"
           "        word=${given[i]}\n"
           "        longer=${path:+$path }$word\n"
           "        if _millrace_is_path \"$longer\"; then path=$longer; fi\n"
           "    done\n" +
           format_cases(nodes) +
           "    compadd -- ${=words} || _files\n"
           "}\n"
           "if [ \"$funcstack[1]\" = \"_millrace\" ]; then\n"
           "    _millrace_complete \"$@\"\n"
           "else\n"
           "    compdef _millrace_complete millrace\n"
           "fi\n";
}

std::string quote_fish(const std::string& text) {
    std::string out = "'";
    for (const char c : text) {
        out += c == '\'' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
    return out + "'";
}

/// The words of an option with a closed set.
std::string fish_choice(const Node& node, const std::string& option) {
    for (const Choice& choice : node.choices) {
        if (choice.option == option) {
            return " -x -a " + quote_fish(join(choice.words));
        }
    }
    return {};
}

std::string format_fish(const std::vector<Node>& nodes) {
    std::string paths;
    for (const Node& node : nodes) {
        paths += node.path.empty() ? "" : " " + quote_fish(node.path);
    }
    std::string out =
        "# millrace completion for fish: millrace completion fish | source\n"
        "function __millrace_path\n"
        "    set -l path ''\n"
        "    for word in (commandline -opc)[2..-1]\n"
        "        set -l longer (string trim -- \"$path $word\")\n"
        "        if contains -- $longer" +
        paths +
        "\n"
        "            set path $longer\n"
        "        end\n"
        "    end\n"
        "    test \"$path\" = \"$argv[1]\"\n"
        "end\n";
    for (const Node& node : nodes) {
        const std::string head =
            "complete -c millrace -n " + quote_fish("__millrace_path \"" + node.path + "\"");
        for (const auto& [name, help] : node.commands) {
            out.append(head).append(" -f -a ").append(name);
            out.append(" -d ").append(quote_fish(help)).append("\n");
        }
        for (const auto& [name, help] : node.options) {
            out.append(head).append(" -l ").append(name, 2);
            out.append(" -d ").append(quote_fish(help)).append(fish_choice(node, name));
            out.append("\n");
        }
    }
    return out;
}

}  // namespace

std::string format_completion(const CLI::App& root, Shell shell) {
    std::vector<Node> nodes;
    append_nodes(nodes, root, root);
    switch (shell) {
        case Shell::bash:
            return format_bash(nodes);
        case Shell::zsh:
            return format_zsh(nodes);
        case Shell::fish:
            return format_fish(nodes);
    }
    return {};
}

}  // namespace millrace::cli
