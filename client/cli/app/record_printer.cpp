#include "client/cli/app/record_printer.hpp"

#include <ostream>

namespace millrace::cli {

RecordPrinter::RecordPrinter(Session& session, const std::string& format, RecordFormat::Of source)
    : session_(session),
      format_(RecordFormat::parse(!format.empty()     ? format
                                  : session.is_json() ? "json"
                                                      : "value",
                                  source)) {}

void RecordPrinter::print(const Record& record, std::uint32_t attempt) {
    session_.out() << format_.format(record, attempt) << '\n';
    ++count_;
}

void RecordPrinter::flush() {
    session_.flush_out();
}

}  // namespace millrace::cli
