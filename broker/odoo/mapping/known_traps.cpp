#include "broker/odoo/mapping/known_traps.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace millrace::broker::odoo {
namespace {

struct Name {
    std::string_view model;
    std::string_view method;
};
/// They may answer with a wizard and have done nothing.
constexpr std::array wizards{Name{"mrp.production", "button_mark_done"},
                             Name{"stock.picking", "button_validate"},
                             Name{"stock.scrap", "action_validate"},
                             Name{"stock.quant", "action_apply_inventory"}};

bool has_context(const Step& step, std::string_view name) {
    return std::ranges::find(step.context, name, &Expression::name) != step.context.end();
}

std::optional<std::string> find_create_trap(const Step& step) {
    const bool is_count = step.model == "stock.quant";
    if (is_count && !has_context(step, "inventory_mode")) {
        return "a count without context: {inventory_mode: true} adds a second quant and doubles "
               "the stock";
    }
    if (step.proof == Proof::record && !step.is_repeat_safe && !is_count) {
        return "a create makes a second record when its event comes again: say mode: ledger, or "
               "use an upsert; repeat_safe: true where a repeat does no harm";
    }
    return std::nullopt;
}

std::optional<std::string> find_call_trap(const Step& step) {
    const bool may_ask = std::ranges::any_of(wizards, [&](const Name& one) {
        return step.model == one.model && step.method == one.method;
    });
    if (may_ask && step.expect.empty()) {
        return step.method +
               " may answer with a wizard and have done nothing: say what must be true after it, "
               "expect: {state: done}";
    }
    if (step.proof == Proof::ledger) {
        return std::nullopt;
    }
    if (step.model == "stock.scrap" && step.method == "action_validate") {
        return "a repeated action_validate scraps again: say mode: ledger";
    }
    if (step.expect.empty() && !step.is_repeat_safe) {
        return "how is a repeat told? Say expect: {state: ...} (no call where it holds already), "
               "mode: ledger, or repeat_safe: true where a repeat does no harm";
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> find_trap(const Step& step) {
    switch (step.action) {
        case Action::create:
            return find_create_trap(step);
        case Action::call:
            return find_call_trap(step);
        default:
            return std::nullopt;
    }
}

}  // namespace millrace::broker::odoo
