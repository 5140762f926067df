#include "client/cli/app/exit_code.hpp"

#include <gtest/gtest.h>

#include "storage/base/errc.hpp"

namespace millrace::cli {
namespace {

ExitCode code_of(Errc code) {
    return exit_code_of(ClientError(static_cast<std::uint16_t>(code), "x", "x"));
}

TEST(ExitCodeOf, TellsScriptsWhatToDo) {
    EXPECT_EQ(code_of(Errc::unknown_topic), ExitCode::not_found);
    EXPECT_EQ(code_of(Errc::unknown_letter), ExitCode::not_found);
    EXPECT_EQ(code_of(Errc::connection_lost), ExitCode::no_connection);
    EXPECT_EQ(code_of(Errc::timed_out), ExitCode::retryable);
    EXPECT_EQ(code_of(Errc::out_of_space), ExitCode::retryable);
    EXPECT_EQ(code_of(Errc::already_exists), ExitCode::refused);
    EXPECT_EQ(code_of(Errc::corrupt), ExitCode::refused);
    EXPECT_EQ(code_of(Errc::internal), ExitCode::refused);
}

TEST(Outcome, IsPartlyOnlyWhenSomethingWasDone) {
    Outcome outcome;
    EXPECT_EQ(outcome.exit_code(), ExitCode::ok);
    outcome.add_failure(ExitCode::not_found);
    outcome.add_failure(ExitCode::retryable);
    EXPECT_EQ(outcome.exit_code(), ExitCode::not_found);
    outcome.add_done(3);
    EXPECT_EQ(outcome.exit_code(), ExitCode::partly);
    EXPECT_EQ(outcome.done_count(), 3U);
    EXPECT_EQ(outcome.failed_count(), 2U);
}

}  // namespace
}  // namespace millrace::cli
