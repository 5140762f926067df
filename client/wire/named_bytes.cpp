#include "client/wire/named_bytes.hpp"

#include <algorithm>
#include <cstdint>
#include <span>

#include <flatbuffers/flatbuffers.h>
#include <flatbuffers/minireflect.h>

namespace millrace::wire {
namespace {

using flatbuffers::ElementaryType;
using flatbuffers::Table;
using flatbuffers::TypeCode;
using flatbuffers::TypeTable;

constexpr std::size_t vector_length_bytes = sizeof(flatbuffers::uoffset_t);

std::span<const TypeCode> fields_of(const TypeTable& type) {
    return {type.type_codes, type.num_elems};
}

ElementaryType kind_of(TypeCode field) {
    return static_cast<ElementaryType>(field.base_type);
}

/// The table type that a field or the elements of its vector have, else none.
const TypeTable* table_of(const TypeTable& type, TypeCode field) {
    if (kind_of(field) != flatbuffers::ET_SEQUENCE || field.sequence_ref < 0) {
        return nullptr;
    }
    const auto* const inner = type.type_refs[field.sequence_ref]();
    return inner->st == flatbuffers::ST_TABLE ? inner : nullptr;
}

std::size_t inline_bytes(const TypeTable& type, TypeCode field) {
    const auto* const inner =
        field.sequence_ref < 0 ? nullptr : type.type_refs[field.sequence_ref]();
    return flatbuffers::InlineSize(kind_of(field), inner);
}

class Count {
  public:
    explicit Count(std::size_t limit) : limit_(limit) {}

    void add_table(const Table& table, const TypeTable& type) {
        for (std::size_t i = 0; i < type.num_elems && bytes <= limit_; ++i) {
            const auto at = flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(i));
            if (const auto* const place = table.GetAddressOf(at); place != nullptr) {
                add_field(place, type, type.type_codes[i]);
            }
        }
    }

    std::size_t bytes = 0;

  private:
    /// `place` holds a scalar, a struct, or the distance to what the field names.
    void add_field(const std::uint8_t* place, const TypeTable& type, TypeCode field) {
        if (field.is_repeating != 0) {
            add_vector(named_at(place), type, field);
        } else {
            add_element(place, type, field);
        }
    }

    void add_vector(const std::uint8_t* vector, const TypeTable& type, TypeCode field) {
        const std::size_t elements = length_of(vector);
        const auto step = inline_bytes(type, field);
        bytes += vector_length_bytes + elements * step;
        if (kind_of(field) != flatbuffers::ET_STRING && table_of(type, field) == nullptr) {
            return;
        }
        for (std::size_t i = 0; i < elements && bytes <= limit_; ++i) {
            add_element(vector + vector_length_bytes + i * step, type, field);
        }
    }

    void add_element(const std::uint8_t* place, const TypeTable& type, TypeCode field) {
        if (kind_of(field) == flatbuffers::ET_STRING) {
            bytes += vector_length_bytes + length_of(named_at(place));
        } else if (const auto* const inner = table_of(type, field); inner != nullptr) {
            bytes += vector_length_bytes;
            add_table(*reinterpret_cast<const Table*>(named_at(place)), *inner);
        }
    }

    static const std::uint8_t* named_at(const std::uint8_t* place) {
        return place + flatbuffers::ReadScalar<flatbuffers::uoffset_t>(place);
    }

    static std::size_t length_of(const std::uint8_t* named) {
        return flatbuffers::ReadScalar<flatbuffers::uoffset_t>(named);
    }

    std::size_t limit_;
};

}  // namespace

bool can_share(const TypeTable& type) {
    return std::ranges::any_of(fields_of(type), [&](TypeCode field) {
        const auto* const inner = table_of(type, field);
        const bool is_indirect = kind_of(field) == flatbuffers::ET_STRING || inner != nullptr;
        return (field.is_repeating != 0 && is_indirect) || (inner != nullptr && can_share(*inner));
    });
}

std::size_t named_bytes(const Table& table, const TypeTable& type, std::size_t limit) {
    Count count(limit);
    count.add_table(table, type);
    return count.bytes;
}

}  // namespace millrace::wire
