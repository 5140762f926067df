#include "broker/odoo/ledger/action_code.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/odoo/ledger/installer.hpp"

namespace millrace::broker::odoo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

LedgerMethods methods_of(const char* steps) {
    const auto mapping =
        parse_mapping("m.yaml", std::string("mappings:\n  - topics: [a]\n    steps: ") + steps);
    EXPECT_TRUE(mapping) << mapping.error().text;
    LedgerMethods methods;
    add_ledger_methods(mapping.value(), methods);
    return methods;
}

TEST(ActionCode, KnowsTheMethodsOfTheLedgersStepsAndNoOthers) {
    const auto methods = methods_of(R"([
      {name: scrap, action: create, mode: ledger, model: stock.scrap, fields: {origin: .value}},
      {action: call, mode: ledger, model: stock.scrap, method: action_validate, id: .steps.scrap.id,
       expect: {state: done}},
      {action: call, model: mrp.production, method: action_confirm, id: .value.id,
       expect: {state: confirmed}}])");
    EXPECT_THAT(methods, ElementsAre("stock.scrap.action_validate"));
    const auto code = action_code(methods);
    EXPECT_THAT(code,
                HasSubstr("    if name == 'stock.scrap.action_validate':\n        return "
                          "records.action_validate(**arguments)\n"));
    EXPECT_THAT(code, Not(HasSubstr("action_confirm")));
}

TEST(ActionCode, WhatIsInstalledIsReadBack) {
    const LedgerMethods methods{"a.b.first", "a.b.second"};
    EXPECT_EQ(methods_in(action_code(methods)), methods);
    EXPECT_THAT(methods_in(action_code({})), IsEmpty());
}

TEST(ActionCode, OfForeignCodeOnlyNamesAreTaken) {
    EXPECT_THAT(methods_in("    if name == 'a.b.c':\n    if name == 'x'); env.cr.commit('\n"),
                ElementsAre("a.b.c", "x"));
    EXPECT_THAT(methods_in("    if name == 'a b'\n    if name == 'open"), IsEmpty());
    EXPECT_THAT(methods_in(""), IsEmpty());
}

TEST(ActionCode, KeepsToWhatTheSandboxAllows) {
    const auto code = action_code({"a.b.c"});
    for (const auto* const word : {"__", "import ", "getattr", "hasattr", "    with ", "lambda"}) {
        EXPECT_THAT(code, Not(HasSubstr(word)));
    }
}

}  // namespace
}  // namespace millrace::broker::odoo
