#include "client/cli/app/record_printer.hpp"

#include <ostream>
#include <stdexcept>

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
    session_.out().flush();
    if (!session_.out()) {
        throw std::runtime_error("stdout can't be written");
    }
}

}  // namespace millrace::cli
