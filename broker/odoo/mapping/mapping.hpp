#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broker/odoo/mapping/expression.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::odoo {

enum class Action { upsert, lookup, create, write, call };
[[nodiscard]] std::string_view name_of(Action action) noexcept;

/// How a repeat is told from a first time: by the record itself, or by a marker in the ledger.
enum class Proof { record, ledger };

/// One step of a mapping: what is asked of a model.
// NOLINTNEXTLINE(bugprone-exception-escape): of nlohmann::json, whose moves do not throw
struct Step {
    std::string name;   ///< others say .steps.NAME; may be empty
    std::string place;  ///< file:line
    Action action = Action::upsert;
    Proof proof = Proof::record;
    std::string model;
    std::string method;  ///< of a call
    std::optional<Expression> only_if;
    std::optional<Expression> unless;
    std::optional<Expression> external_id;  ///< upsert; lookup
    std::optional<Expression> domain;       ///< lookup
    std::optional<Expression> id;           ///< write, call
    std::vector<Expression> fields;         ///< cells of an upsert, values of create and write
    std::vector<Expression> arguments;      ///< of a call, by name
    std::vector<Expression> context;
    std::vector<std::string> context_ids;  ///< names in the context that hold a call's ids
    std::vector<std::string> read;         ///< what a lookup brings besides the id
    Json expect = Json::object();          ///< field to value or list of values, after a call
    bool may_be_missing = false;           ///< a lookup that finds nothing gives null
    bool is_repeat_safe = false;           ///< the file's word that a repeat does no harm
    std::size_t batch_records_max = 0;     ///< 0: the sink's
    std::chrono::milliseconds linger{0};
    std::chrono::seconds cache{300};
    std::chrono::seconds cache_missing{5};

    /// Its name, or what it does.
    [[nodiscard]] std::string label() const;
};

/// What events of some topics become.
struct Rule {
    std::string place;
    std::string feed;  ///< whose events these are, in the names of markers; the same for all rules
    std::vector<std::string> topics;
    std::optional<Expression> when;
    std::optional<Expression> event_id;  ///< else the header event-id, else the place of the record
    std::optional<Expression> lane;
    std::vector<Step> steps;
};

/// A mapping file: from events to what is asked of Odoo.
///
/// Threads:  one at a time.
class Mapping {
  public:
    explicit Mapping(std::vector<Rule> rules) : rules_(std::move(rules)) {}

    [[nodiscard]] const std::vector<Rule>& rules() const { return rules_; }
    /// The first rule whose topics match; null when there is none.
    [[nodiscard]] const Rule* rule_of(std::string_view topic) const;
    [[nodiscard]] bool has_ledger() const;
    /// Patterns of the topics whose events leave markers in the ledger.
    [[nodiscard]] std::vector<std::string> ledger_topics() const;
    /// Empty when the file does not say it.
    [[nodiscard]] std::string feed() const {
        return rules_.empty() ? std::string() : rules_.front().feed;
    }

  private:
    std::vector<Rule> rules_;
};

inline constexpr std::size_t feed_name_bytes_max = 64;

/// Reads a mapping file. Errors: configuration, with file, line and a hint.
[[nodiscard]] Result<Mapping> parse_mapping_file(const std::string& path);
[[nodiscard]] Result<Mapping> parse_mapping(const std::string& name, const std::string& text);

}  // namespace millrace::broker::odoo
