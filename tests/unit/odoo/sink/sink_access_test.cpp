#include "tests/unit/odoo/sink/sink_fixture.hpp"

#include "broker/odoo/answers/fault.hpp"

namespace millrace::broker::odoo {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr const char* two_rules = R"(mappings:
  - topics: [a]
    steps: [{model: res.users, external_id: .value, fields: {name: .value}}]
  - topics: [b]
    steps: [{model: res.partner, external_id: .value, fields: {name: .value}}]
)";

class SinkAccess : public SinkFixture {
  protected:
    SinkAccess() { mapping = two_rules; }
    void refuse() {
        transport.fail(classify_error("odoo.exceptions.AccessError", "no right on res.users"));
    }
    double stopped() {
        return static_cast<double>(
            metrics.gauge("millrace_odoo_mapping_stopped", "", {{"mapping", "m.yaml:2"}}).value());
    }
};

TEST_F(SinkAccess, NoRightOnAModelStopsItsMappingAndNoOther) {
    give({"x"});
    refuse();
    const auto& nack = nacks.at("x");
    EXPECT_EQ(nack.cause, Cause::authorization);
    EXPECT_EQ(nack.part, "mapping m.yaml:2");
    EXPECT_THAT(nack.error, HasSubstr("res.users: odoo.exceptions.AccessError: no right"));
    EXPECT_EQ(nack.delay, 1'000ms);
    EXPECT_EQ(stopped(), 1);
    give({"y"});
    EXPECT_TRUE(transport.waiting.empty()) << "nothing is asked while the rule is stopped";
    EXPECT_EQ(nacks.at("y").part, "mapping m.yaml:2");
    give({"z"}, 1, "b");
    ASSERT_THAT(transport.waiting, SizeIs(1));
    transport.answer();
    EXPECT_THAT(acked, ElementsAre("z"));
    EXPECT_TRUE(sink().held().empty());
}

TEST_F(SinkAccess, OneEventTriesAndOpensTheRuleForAll) {
    give({"x"});
    refuse();
    clock.advance(1s);
    give({"x2", "y"});
    ASSERT_THAT(transport.waiting, SizeIs(1)) << "one tries";
    EXPECT_THAT(transport.waiting[0].names(), ElementsAre("x2"));
    EXPECT_TRUE(nacks.contains("y"));
    refuse();
    EXPECT_EQ(nacks.at("x2").delay, 2'040ms) << "behind x and y, so that another one tries next";
    clock.advance(2s);
    give({"x3"});
    transport.answer();
    EXPECT_THAT(acked, ElementsAre("x3"));
    EXPECT_THAT(resumed, ElementsAre("mapping m.yaml:2"));
    EXPECT_EQ(stopped(), 0);
    give({"v", "w"});
    ASSERT_THAT(transport.waiting, SizeIs(1));
    EXPECT_THAT(transport.waiting[0].names(), ElementsAre("v", "w"));
}

TEST_F(SinkAccess, WhatFailsForAnotherReasonLeavesTheNextOneToTry) {
    give({"x"});
    refuse();
    clock.advance(1s);
    give({"bad"});
    transport.answer({"bad"});
    EXPECT_EQ(nacks.at("bad").cause, Cause::mapping);
    EXPECT_EQ(stopped(), 1);
    give({"y"});
    EXPECT_THAT(transport.waiting, SizeIs(1));
}

TEST_F(SinkAccess, ARuleThatOneAnswerOpensAndStopsAgainIsStopped) {
    options.connections_max = 2;
    options.ledger_action_id = 77;
    mapping = R"(mappings:
  - topics: [a]
    steps:
      - {name: one, action: lookup, model: n, external_id: '.value | ascii_downcase'}
      - {name: made, action: create, mode: ledger, model: m, fields: {name: .value}}
  - topics: [b]
    steps: [{model: res.partner, external_id: .value, fields: {name: .value}}]
)";
    give({"x"});
    transport.reply({"n", 1});
    give({"late"});           // looks up while x is at the ledger
    give({"other"}, 1, "b");  // keeps the connection from the ledger meanwhile
    refuse();
    clock.advance(1s);
    give({"X"});  // tries; what it looks for is known
    transport.reply({"n", 2});
    transport.answer();
    ASSERT_THAT(transport.waiting, SizeIs(1));
    ASSERT_THAT(next().context.at("millrace_events"), SizeIs(2));
    transport.reply(
        {{"millrace",
          {{{"status", "ok"}, {"ids", {{"made", 5}}}},
           {{"status", "error"}, {"class", "AccessError"}, {"message", "not of this company"}}}}});
    EXPECT_THAT(acked, ElementsAre("other", "X"));
    EXPECT_EQ(nacks.at("late").part, "mapping m.yaml:2");
    EXPECT_TRUE(resumed.empty());
    EXPECT_EQ(stopped(), 1);
}

}  // namespace
}  // namespace millrace::broker::odoo
