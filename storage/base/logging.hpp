#pragma once

#include <string>
#include <string_view>

namespace millrace {

enum class LogLevel { debug, info, warning, error };

/// Sets the least level that is written; `info` at start. Threads: any.
void set_log_level(LogLevel level);

/// Writes one line to standard error with time, level and area ("storage", "shard 3", ...).
/// Threads: any. Never on a path that runs per record.
void log_line(LogLevel level, std::string_view area, std::string_view text);

inline void log_info(std::string_view area, std::string_view text) {
    log_line(LogLevel::info, area, text);
}
inline void log_warning(std::string_view area, std::string_view text) {
    log_line(LogLevel::warning, area, text);
}
inline void log_error(std::string_view area, std::string_view text) {
    log_line(LogLevel::error, area, text);
}
inline void log_debug(std::string_view area, std::string_view text) {
    log_line(LogLevel::debug, area, text);
}

}  // namespace millrace
