#include "client/cli/app/exit_code.hpp"

#include "storage/base/errc.hpp"

namespace millrace::cli {

ExitCode exit_code_of(const ClientError& error) {
    switch (static_cast<Errc>(error.code())) {
        case Errc::unknown_topic:
        case Errc::unknown_partition:
        case Errc::unknown_group:
        case Errc::unknown_subscription:
        case Errc::unknown_letter:
        case Errc::not_found:
            return ExitCode::not_found;
        case Errc::connection_lost:
            return ExitCode::no_connection;
        default:
            return error.is_retryable() ? ExitCode::retryable : ExitCode::refused;
    }
}

void Outcome::add_failure(ExitCode code) {
    first_ = failed_ == 0 ? code : first_;
    ++failed_;
}

ExitCode Outcome::exit_code() const {
    if (failed_ == 0) {
        return ExitCode::ok;
    }
    return done_ == 0 ? first_ : ExitCode::partly;
}

}  // namespace millrace::cli
