#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/odoo/mapping/expression.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::odoo {

/// Which hints announce that a record goes, and where that is told.
struct DeletedRule {
    Expression when;  ///< sees the hint
    Expression topic;
};

/// What records of one model become.
struct SourceModel {
    std::string place;
    std::string model;
    std::vector<std::string> fields;
    std::optional<Expression> only_if;
    Expression topic;
    std::optional<Expression> key;    ///< else model,id
    std::optional<Expression> value;  ///< else the record as it was read
    std::optional<DeletedRule> deleted;
    Json domain = Json::array();  ///< what the sweep looks through
    bool is_swept = true;
};

/// How hints come in and when they are followed.
struct HintRules {
    std::string topic = "odoo.hints";
    std::string subscription = "odoo-source";
    /// Odoo posts before its transaction commits: a record is read that long after its hint.
    std::chrono::milliseconds read_after{1'000};
    /// How long a record is looked for that is not there yet, or not as new as its hint says.
    std::chrono::seconds wait_max{60};
};

/// How what webhooks lost is found.
struct SweepRules {
    std::chrono::seconds interval{60};
    /// Longer than any transaction of Odoo: `write_date` is the time when it began.
    std::chrono::seconds overlap{600};
    std::size_t page_records = 500;
    bool begins_at_beginning = false;  ///< the first time; else from then on
};

/// A source file: which records of Odoo become which events.
struct SourceFile {
    HintRules hints;
    SweepRules sweep;
    std::vector<SourceModel> models;

    /// Null when the file does not name it.
    [[nodiscard]] const SourceModel* model(std::string_view name) const;
};

/// Reads a source file. Errors: configuration, with file, line and a hint.
[[nodiscard]] Result<SourceFile> load_source_file(const std::string& path);
[[nodiscard]] Result<SourceFile> parse_source_file(const std::string& name,
                                                   const std::string& text);

}  // namespace millrace::broker::odoo
