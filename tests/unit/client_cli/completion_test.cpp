#include "client/cli/app/completion.hpp"

#include <CLI/CLI.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/app/command_line.hpp"

namespace millrace::cli {
namespace {

using testing::HasSubstr;

std::string script(Shell shell) {
    const CommandLine line;
    return format_completion(line.app(), shell);
}

TEST(Completion, BashKnowsCommandsOptionsAndClosedSets) {
    const std::string bash = script(Shell::bash);
    EXPECT_THAT(bash,
                HasSubstr("'') words='topic partition publish consume replay group subscription"));
    EXPECT_THAT(bash, HasSubstr("'topic') words='create ls describe rm alter"));
    EXPECT_THAT(bash, HasSubstr("'topic create|--criticality') words='bulk standard critical'"));
    EXPECT_THAT(bash, HasSubstr("'topic alter|--durability') words='majority leader'"));
    EXPECT_THAT(bash, HasSubstr("'consume|--output') words='table json'"));
    EXPECT_THAT(bash, HasSubstr("'completion') words='bash zsh fish"));
    EXPECT_THAT(bash, HasSubstr("complete -o default -F _millrace millrace"));
}

TEST(Completion, ZshBeginsWithItsTag) {
    EXPECT_TRUE(script(Shell::zsh).starts_with("#compdef millrace\n"));
    EXPECT_THAT(script(Shell::zsh), HasSubstr("'dlq redrive'"));
}

TEST(Completion, FishQuotesDescriptions) {
    const std::string fish = script(Shell::fish);
    EXPECT_THAT(fish, HasSubstr("-f -a publish -d 'Publish lines"));
    EXPECT_THAT(fish, HasSubstr("-l yes -d 'Don\\'t ask'"));
    EXPECT_THAT(fish, HasSubstr("-l output -d 'For people or scripts' -x -a 'table json'"));
}

}  // namespace
}  // namespace millrace::cli
