#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::stand_ins {

enum class FieldType {
    text,
    integer,
    real,
    boolean,
    date,
    datetime,
    selection,
    many2one,
    one2many
};

struct Field {
    FieldType type = FieldType::text;
    std::string label;  ///< as messages to people show it
    bool is_required = false;
    bool is_unique = false;
    bool is_positive = false;          ///< a constraint of the database
    bool is_hierarchy = false;         ///< a constraint in Python: no record is above itself
    std::vector<std::string> choices;  ///< of a selection
    std::string comodel;               ///< of a relation
    std::string inverse;               ///< of a one2many: the many2one on the other side
    std::string preset;                ///< what a new record gets, in the form of a cell of `load`
};

struct Model {
    std::string name;
    std::map<std::string, Field> fields;
};

/// Those models of Odoo's community edition that a plant's events reach, with the fields that
/// count.
[[nodiscard]] const std::map<std::string, Model, std::less<>>& schema();

}  // namespace millrace::stand_ins
