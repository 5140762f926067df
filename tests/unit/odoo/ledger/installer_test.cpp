#include "broker/odoo/ledger/installer.hpp"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// Answers each method as the test says, and keeps what was asked.
class Script final : public Transport {
  public:
    std::map<std::string, Reply>& answers;
    std::vector<Call>& asked;
    Script(std::map<std::string, Reply>& given, std::vector<Call>& calls)
        : answers(given), asked(calls) {}
    void call(const Call& call, ReplyDone done) override {
        asked.push_back(call);
        done(answers.at(call.method));
    }
    void stop() override {}
};

class InstallerTest : public testing::Test {
  protected:
    std::vector<std::string> methods() const {
        std::vector<std::string> names;
        for (const auto& call : asked) {
            names.push_back(call.method);
        }
        return names;
    }
    void has_action() {
        answers["check_object_reference"] = R"(["ir.actions.server",77])";
        answers["read"] = R"([{"id":77,"code":"    if name == 'a.b.c':"}])";
    }

    std::map<std::string, Reply> answers{
        {"check_object_reference",
         classify_error("builtins.ValueError", "External ID not found in the system: x")},
        {"fields_get", R"({"groups_id":{}})"},
        {"load", R"({"ids":[5],"messages":[]})"},
        {"unlink", "true"}};
    std::vector<Call> asked;
    OdooClient client{std::make_unique<Script>(answers, asked)};
    LedgerInstaller installer{client};
};

TEST_F(InstallerTest, WhereThereIsNoneNothingIsFoundAndNothingRemoved) {
    EXPECT_EQ(installer.find().value().action_id, 0);
    EXPECT_FALSE(installer.remove().value());
    EXPECT_THAT(methods(), ElementsAre("check_object_reference", "check_object_reference"));
}

TEST_F(InstallerTest, FindsTheActionAndItsCode) {
    has_action();
    const auto status = installer.find().value();
    EXPECT_EQ(status.action_id, 77);
    EXPECT_THAT(methods_in(status.code), ElementsAre("a.b.c"));
}

TEST_F(InstallerTest, CodeThatMayNotBeReadIsNoCodeAndNoFailure) {
    has_action();
    answers["read"] = classify_error("odoo.exceptions.AccessError", "administrators only");
    const auto status = installer.find().value();
    EXPECT_EQ(status.action_id, 77);
    EXPECT_THAT(status.code, IsEmpty());
}

TEST_F(InstallerTest, AnOutageIsNoMissingAction) {
    answers["check_object_reference"] = Fault{.cause = Cause::outage, .error = "gone"};
    EXPECT_EQ(installer.find().error().code, Errc::unavailable);
    EXPECT_FALSE(installer.remove()) << "nothing is known about what is there";
}

TEST_F(InstallerTest, LoadsTheActionByItsExternalIdForInternalUsers) {
    EXPECT_EQ(installer.install("code = 1").value(), 5);
    const auto& load = asked.back();
    EXPECT_EQ(load.model, "ir.actions.server");
    EXPECT_EQ(load.positional.at(0).second.dump(),
              R"(["id","name","model_id/id","state","groups_id/id","code"])");
    EXPECT_EQ(load.positional.at(1).second.at(0).dump(),
              R"(["millrace_ledger.action","Millrace ledger","base.model_ir_model_data","code",)"
              R"("base.group_user","code = 1"])");
}

TEST_F(InstallerTest, KnowsTheFieldsNameFromNineteenOn) {
    answers["fields_get"] = R"({"group_ids":{}})";
    EXPECT_EQ(installer.install("code = 1").value(), 5);
    EXPECT_EQ(asked.back().positional.at(0).second.at(4), "group_ids/id");
}

TEST_F(InstallerTest, ARefusalSaysWhy) {
    answers["load"] = R"({"ids":false,"messages":[{"type":"error","record":0,
        "rows":{"from":0,"to":0},"message":"forbidden opcode"}]})";
    EXPECT_THAT(installer.install("x").error().text, HasSubstr("forbidden opcode"));
    answers["load"] = classify_error("odoo.exceptions.AccessError", "administrators only");
    EXPECT_THAT(installer.install("x").error().text, HasSubstr("administrators only"));
}

TEST_F(InstallerTest, RemovesTheActionAlone) {
    has_action();
    EXPECT_TRUE(installer.remove().value());
    EXPECT_EQ(asked.back().method, "unlink");
    EXPECT_EQ(asked.back().model, "ir.actions.server");
    EXPECT_EQ(asked.back().ids->dump(), "[77]");
}

}  // namespace
}  // namespace millrace::broker::odoo
