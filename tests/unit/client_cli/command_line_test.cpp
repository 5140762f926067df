#include "client/cli/app/command_line.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/text/table.hpp"

namespace millrace::cli {
namespace {

using testing::HasSubstr;

ParsedCommand parse(const std::vector<std::string>& words) {
    CommandLine line;
    return line.parse(words);
}

struct Ran {
    ExitCode code;
    std::string out;
    std::string err;
};
/// Only for commands that end before they connect.
Ran run_offline(const std::vector<std::string>& words) {
    std::ostringstream out;
    std::ostringstream err;
    const ExitCode code = run(words, {out, err, false});
    return {code, out.str(), err.str()};
}

TEST(CommandLine, EveryFamilyParsesToAnAction) {
    const std::vector<std::vector<std::string>> lines{
        {"topic", "create", "a.b", "--partitions", "4", "--retention", "7d"},
        {"topic", "list", "plant1.>"},
        {"topic", "describe", "a.b"},
        {"partition", "ls", "plant1.>", "a.b"},
        {"topic", "alter", "a.b", "--lifecycle", "retired"},
        {"topic", "rm", "a.b", "-y"},
        {"publish", "a.b", "--jsonl", "--create-topics", "8", "--compression", "zstd"},
        {"publish", "a.b", "-H", "a=b", "-H", "c=d", "--value", "x"},
        {"consume", "a.b", "c.>", "--from", "@-1h", "-g", "reporting", "-n", "5"},
        {"replay", "--topic", "a.b", "--from", "-2h", "--to", "-1h"},
        {"replay", "print", "--topic", "a.b", "--from", "-2h", "--key", "k", "--speed", "10x"},
        {"replay", "create", "--topic", "a.>", "--from", "-2h", "--to-subscription", "odoo"},
        {"replay", "create", "-t", "a", "--from", "-2h", "--by", "event", "-H", "a=b", "--dry-run"},
        {"replay", "ls", "--state", "running"},
        {"replay", "pause", "7", "--reason", "night shift"},
        {"job", "ls", "--kind", "redrive"},
        {"job", "show", "7"},
        {"job", "wait", "7"},
        {"job", "cancel", "7", "--by", "ann"},
        {"group", "ls"},
        {"group", "describe", "reporting"},
        {"group", "seek", "reporting", "--topic", "a.b", "--to", "beginning"},
        {"subscription", "create", "odoo", "--topic", "a.>", "--order", "none"},
        {"sub", "ls"},
        {"subscription", "pause", "odoo", "--reason", "upgrade"},
        {"subscription", "seek", "odoo", "--to", "end"},
        {"subscription", "consume", "odoo", "--nack", "mapping", "--error", "x"},
        {"dlq", "ls", "odoo", "--cause", "outcome-unknown", "--since", "2h", "--group-by", "error"},
        {"dlq", "show", "odoo", "1042"},
        {"dlq", "redrive", "odoo", "1", "2", "3"},
        {"dlq", "redrive", "odoo", "--all", "--rate", "50/s", "--canary", "5", "--wait"},
        {"dlq", "ls", "odoo", "--older-than", "2h", "--group-by", "topic"},
        {"dlq", "discard", "odoo", "--all", "--reason", "test"},
        {"status"},
        {"cluster", "status"},
        {"cluster", "nodes", "--output", "json"},
        {"cluster", "transfer", "--to", "2"},
        {"version"},
        {"completion", "fish"}};
    for (const auto& words : lines) {
        const ParsedCommand parsed = parse(words);
        EXPECT_TRUE(parsed.action) << words[0] << " " << words.back() << ": " << parsed.err;
    }
}

TEST(CommandLine, GlobalOptionsStandBeforeOrAfterTheCommand) {
    const ParsedCommand before = parse({"--brokers", "h:1", "-o", "json", "topic", "ls"});
    EXPECT_EQ(before.globals.brokers, "h:1");
    EXPECT_EQ(before.globals.output, OutputFormat::json);
    const ParsedCommand after = parse({"topic", "ls", "--brokers", "h:2", "-q", "--output=json"});
    ASSERT_TRUE(after.action) << after.err;
    EXPECT_EQ(after.globals.brokers, "h:2");
    EXPECT_TRUE(after.globals.quiet);
    EXPECT_EQ(after.globals.output, OutputFormat::json);
}

TEST(CommandLine, ANameMayBeTheNameOfACommand) {
    EXPECT_TRUE(parse({"topic", "create", "ls"}).action);
    EXPECT_TRUE(parse({"topic", "describe", "status", "topic"}).action);
    EXPECT_TRUE(parse({"group", "describe", "describe"}).action);
}

TEST(CommandLine, HelpHasExamplesAndComesInBothForms) {
    const ParsedCommand flag = parse({"topic", "create", "--help"});
    EXPECT_EQ(flag.code, ExitCode::ok);
    EXPECT_FALSE(flag.action);
    EXPECT_THAT(flag.out, HasSubstr("Examples:\n  millrace topic create"));
    EXPECT_THAT(flag.out, HasSubstr("bulk|standard|critical"));
    EXPECT_EQ(parse({"help", "topic", "create"}).out, flag.out);
    EXPECT_THAT(parse({"--help"}).out, HasSubstr("consume"));
}

TEST(CommandLine, WithoutACommandHelpGoesToStderr) {
    const ParsedCommand parsed = parse({});
    EXPECT_EQ(parsed.code, ExitCode::usage);
    EXPECT_THAT(parsed.err, HasSubstr("publish"));
}

TEST(CommandLine, NamesTheCommandThatWasMeant) {
    EXPECT_EQ(parse({"topik", "ls"}).err,
              "millrace: unknown command \"topik\"; did you mean topic? (see millrace --help)\n");
    EXPECT_EQ(parse({"-q", "topic", "discribe", "a.b"}).err,
              "millrace: unknown command \"discribe\"; did you mean describe? (see millrace topic "
              "--help)\n");
    EXPECT_EQ(parse({"brew"}).err, "millrace: unknown command \"brew\" (see millrace --help)\n");
}

TEST(CommandLine, NamesTheOptionThatWasMeant) {
    EXPECT_EQ(parse({"consume", "a.b", "--folow"}).err,
              "millrace: unknown option --folow; did you mean --follow? (see millrace consume "
              "--help)\n");
    EXPECT_THAT(parse({"consume", "--from", "--1", "a.b", "--broker=x"}).err,
                HasSubstr("did you mean --brokers?"));
    EXPECT_EQ(parse({"topic", "ls", "--zzzzzz"}).code, ExitCode::usage);
}

TEST(CommandLine, AFamilyAloneNamesItsCommands) {
    EXPECT_EQ(parse({"dlq"}).err,
              "millrace: dlq needs a command: "
              "ls, list, show, redrive, edit, export, import, discard\n");
    EXPECT_EQ(parse({"dlq"}).code, ExitCode::usage);
}

TEST(CommandLine, SaysWhichWordsAnOptionKnows) {
    const ParsedCommand parsed = parse({"topic", "create", "a", "--criticality", "huge"});
    EXPECT_EQ(parsed.code, ExitCode::usage);
    EXPECT_THAT(parsed.err, HasSubstr("--criticality"));
    EXPECT_THAT(parsed.err, HasSubstr("standard"));
    const ParsedCommand durability = parse({"topic", "alter", "a", "--durability", "all"});
    EXPECT_EQ(durability.code, ExitCode::usage);
    EXPECT_THAT(durability.err, HasSubstr("majority"));
}

TEST(CommandLine, SaysWhichNumbersAnOptionTakes) {
    EXPECT_EQ(parse({"sub", "create", "s", "-t", "a", "--window", "0"}).err,
              "millrace: --window: \"0\" is no number from 1 up\n");
    EXPECT_EQ(parse({"consume", "a", "--count", "-3"}).err,
              "millrace: --count: \"-3\" is no number from 1 up\n");
    for (const char* text : {"-5", "ten", "5000000000"}) {
        const ParsedCommand parsed = parse({"sub", "alter", "s", "--rate", text});
        EXPECT_EQ(
            parsed.err,
            "millrace: --rate: \"" + std::string(text) + "\" is no number that can stand here\n");
        EXPECT_EQ(parsed.code, ExitCode::usage);
    }
    EXPECT_EQ(parse({"sub", "alter", "s", "--rate", "5"}).err, "");
    EXPECT_EQ(parse({"consume", "a", "--count", "10"}).err, "");
}

TEST(CommandLine, NamesWhatIsMissing) {
    EXPECT_EQ(parse({"odoo", "check"}).err, "millrace: FILE is required\n");
    EXPECT_EQ(parse({"odoo", "try", "--event", "x"}).err, "millrace: MAPPING is required\n");
}

TEST(CommandLine, RefusesWhatContradictsItself) {
    EXPECT_EQ(parse({"publish", "a", "--key", "k", "--key-field", "f"}).code, ExitCode::usage);
    EXPECT_EQ(parse({"publish", "a", "--value", "v", "--file", "f"}).code, ExitCode::usage);
    EXPECT_EQ(parse({"sub", "consume", "s", "--peek", "--nack", "mapping"}).code, ExitCode::usage);
    EXPECT_EQ(parse({"topic", "create"}).code, ExitCode::usage);
    EXPECT_EQ(parse({"topic", "create", "a", "--partitions", "0"}).code, ExitCode::usage);
}

TEST(Run, ChecksOptionsBeforeItConnects) {
    const std::vector<std::vector<std::string>> lines{
        {"publish"},
        {"publish", "a", "--header", "x"},
        {"publish", "a", "--file", "/does/not/exist"},
        {"consume", "a", "--from", "noon"},
        {"consume", "a", "--from", "@-2h:-1h", "--follow"},
        {"consume", "a", "--from", "@-1h:-2h"},
        {"consume", "a", "--group", "g", "--partition", "1"},
        {"consume", "a", "--group", "g", "--from", "17"},
        {"replay", "--topic", "a", "--from", "-1h", "--to", "-2h"},
        {"group", "seek", "g", "--topic", "a", "--to", "17"},
        {"topic", "alter", "a"},
        {"subscription", "alter", "a"},
        {"topic", "rm", "a"},
        {"topic", "create", "a", "--retention", "long"},
        {"dlq", "redrive", "s"},
        {"dlq", "redrive", "s", "5", "--all"},
        {"dlq", "ls", "s", "--since", "x"}};
    for (const auto& words : lines) {
        const Ran ran = run_offline(words);
        EXPECT_EQ(ran.code, ExitCode::usage) << words.back() << ": " << ran.err;
        EXPECT_TRUE(ran.err.starts_with("millrace: ")) << ran.err;
        EXPECT_EQ(ran.out, "");
    }
}

TEST(Run, AnErrorInJsonMayNameWhatIsNoText) {
    const Ran ran = run_offline(
        {"-o", "json", "--brokers", "127.0.0.1:\xff", "--timeout", "200ms", "topic", "ls"});
    EXPECT_EQ(ran.code, ExitCode::no_connection);
    EXPECT_THAT(ran.err, HasSubstr("127.0.0.1:\xEF\xBF\xBD"));
}

TEST(Run, WhatCantBeWrittenIsNotDone) {
    std::ostream full(nullptr);
    std::ostringstream err;
    EXPECT_EQ(run({"version"}, {full, err, false}), ExitCode::refused);
    EXPECT_THAT(err.str(), HasSubstr("stdout can't be written"));
}

TEST(Run, VersionNeedsNoBroker) {
    const Ran text = run_offline({"version"});
    EXPECT_EQ(text.code, ExitCode::ok);
    EXPECT_TRUE(text.out.starts_with("millrace ")) << text.out;
    EXPECT_THAT(run_offline({"version", "--output", "json"}).out, HasSubstr("\"version\": \""));
}

}  // namespace
}  // namespace millrace::cli
