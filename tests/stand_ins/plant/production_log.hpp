#pragma once

#include <istream>
#include <string>
#include <vector>

#include "tests/stand_ins/plant/event.hpp"

#include "storage/base/result.hpp"

namespace millrace::plant {

/// Every row of a production log as a step of its work order, in the order of time; rows of the
/// same minute stay in the order of the file. Ids are `log-<line>`. The log is read whole, so that
/// nothing is played of a log with a bad row.
///
/// The columns are found by their names. `Resource.1`, the workcenter, may be absent: then it is
/// the part of the activity behind " - ", or the activity.
///
/// Errors: malformed, io; the text begins with `name` and the line.
[[nodiscard]] Result<std::vector<Event>> read_production_log(std::istream& in,
                                                             const std::string& name);

}  // namespace millrace::plant
