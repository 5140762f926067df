#pragma once

#include <string>

#include "client/cli/app/session.hpp"
#include "client/cli/text/record_format.hpp"

namespace millrace::cli {

/// Prints records on stdout, one a line, and counts them.
class RecordPrinter {
  public:
    /// `format` as RecordFormat has it; empty: value, or json with --output json.
    RecordPrinter(Session& session,
                  const std::string& format,
                  RecordFormat::Of source = RecordFormat::Of::log);

    /// `attempt` of what a queue delivers.
    void print(const Record& record, std::uint32_t attempt = 0);
    /// Pushes what was printed to whoever reads it; throws where nobody does any more.
    void flush();
    [[nodiscard]] std::uint64_t count() const { return count_; }

  private:
    Session& session_;
    RecordFormat format_;
    std::uint64_t count_ = 0;
};

}  // namespace millrace::cli
