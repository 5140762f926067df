#include "client/cli/app/record_printer.hpp"

#include <ostream>

namespace millrace::cli {

RecordPrinter::RecordPrinter(Session& session, const std::string& format)
    : session_(session),
      format_(RecordFormat::parse(!format.empty()     ? format
                                  : session.is_json() ? "json"
                                                      : "value")) {}

void RecordPrinter::print(const Record& record) {
    session_.out() << format_.format(record) << '\n';
    ++count_;
}

void RecordPrinter::flush() {
    session_.flush_out();
}

}  // namespace millrace::cli
