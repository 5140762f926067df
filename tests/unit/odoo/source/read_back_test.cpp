#include "tests/unit/odoo/source/source_fixture.hpp"

namespace millrace::broker::odoo {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr const char* ten = "2026-11-25 10:00:00";
constexpr const char* eleven = "2026-11-25 11:00:00";

TEST_F(ReadBackFixture, HintsOfOneRecordAreOneReadAndOneEvent) {
    const auto first = hint(7);
    for (int i = 0; i < 26; ++i) {
        (void)hint(7);
    }
    const auto last = hint(7);
    EXPECT_TRUE(is_acked(first));
    EXPECT_FALSE(settled.contains(last));
    EXPECT_TRUE(transport.waiting.empty());
    pass(100ms);
    ASSERT_EQ(transport.waiting.size(), 1U);
    EXPECT_EQ(asked_ids().dump(), "[7]");
    transport.reply(Json::array({order(7, "sale", ten)}));
    ASSERT_EQ(published.size(), 1U);
    EXPECT_EQ(published.front().topic, "odoo.sale.order.sale");
    EXPECT_FALSE(settled.contains(last)) << "before the event is durable";
    make_durable();
    EXPECT_TRUE(is_acked(last));
    EXPECT_EQ(read_back().held(), 0U);
}

TEST_F(ReadBackFixture, HintsOfOneModelGatherIntoOneRead) {
    for (std::int64_t id = 1; id <= 250; ++id) {
        (void)hint(id);
    }
    pass(100ms);
    ASSERT_EQ(transport.waiting.size(), 1U);
    EXPECT_EQ(asked_ids().size(), ReadBack::ids_of_a_read_max);
    const auto& call = transport.waiting.front().call;
    EXPECT_EQ(call.context.at("tz"), "UTC");
    EXPECT_EQ(call.named.at("fields").dump(), R"(["state","write_date"])");
}

TEST_F(ReadBackFixture, AHintThatComesWhileItsRecordIsReadIsReadAnew) {
    (void)hint(7);
    pass(100ms);
    const auto later = hint(7);
    pass(100ms);
    EXPECT_EQ(transport.waiting.size(), 1U) << "one read a model";
    transport.reply(Json::array({order(7, "draft", ten)}));
    make_durable();
    ASSERT_EQ(transport.waiting.size(), 1U);
    transport.reply(Json::array({order(7, "sale", eleven)}));
    make_durable();
    EXPECT_TRUE(is_acked(later));
}

TEST_F(ReadBackFixture, ContentThatWasSeenLastIsNoEventAndOneThatComesBackIs) {
    const std::vector<std::pair<const char*, bool>> states{
        {"draft", true}, {"draft", false}, {"sale", true}, {"draft", true}};
    for (const auto& [state, is_event] : states) {
        const auto ticket = hint(7);
        pass(100ms);
        transport.reply(Json::array({order(7, state, ten)}));
        EXPECT_EQ(published.size(), is_event ? 1U : 0U) << state;
        if (is_event) {
            make_durable();
        }
        EXPECT_TRUE(is_acked(ticket));
    }
}

TEST_F(ReadBackFixture, ARecordOlderThanItsHintIsLookedAtUntilItsTransactionHasCommitted) {
    const auto ticket = hint(7, R"(,"write_date":"2026-11-25 11:00:00.5")");
    pass(100ms);
    transport.reply(Json::array({order(7, "draft", ten)}));
    EXPECT_TRUE(published.empty());
    EXPECT_FALSE(settled.contains(ticket));
    pass(250ms);
    ASSERT_EQ(transport.waiting.size(), 1U);
    transport.reply(Json::array({order(7, "sale", eleven)}));
    make_durable();
    EXPECT_TRUE(is_acked(ticket));
}

TEST_F(ReadBackFixture, AHintThatWasRolledBackIsGivenUpWithoutAnEvent) {
    const auto created = hint(8);
    const auto changed = hint(7, R"(,"write_date":"2026-11-25 11:00:00")");
    for (int looks = 0; !settled.contains(changed) && looks < 100; ++looks) {
        pass(1s);
        if (!transport.waiting.empty()) {
            transport.reply(Json::array({order(7, "draft", ten)}));
        }
    }
    EXPECT_TRUE(is_acked(created));
    EXPECT_TRUE(is_acked(changed));
    EXPECT_TRUE(published.empty());
}

TEST_F(ReadBackFixture, OnlyAHintThatSaysSoMakesADeletion) {
    (void)hint(7);
    const auto gone = hint(7, R"(,"_action":"gone")");
    const auto after = hint(7);
    EXPECT_TRUE(is_acked(after)) << "the one that announces is kept";
    pass(200ms);
    transport.reply(Json::array());
    ASSERT_EQ(published.size(), 1U);
    EXPECT_EQ(published.front().topic, "odoo.sale.order.deleted");
    EXPECT_EQ(published.front().events.front().event_id, "sale.order,7,deleted");
    make_durable();
    EXPECT_TRUE(is_acked(gone));
}

TEST_F(ReadBackFixture, AnOutageIsTheHintsAndLosesNothing) {
    const auto one = hint(7);
    const auto other = hint(8);
    pass(100ms);
    transport.fail({.cause = Cause::outage, .error = "Connection refused"});
    ASSERT_TRUE(settled[one] && settled[other]);
    EXPECT_EQ(settled[one]->cause, Cause::outage);
    EXPECT_EQ(read_back().held(), 0U);
}

TEST_F(ReadBackFixture, AFieldThatOdooDoesNotKnowIsTheFilesFault) {
    const auto ticket = hint(7);
    pass(100ms);
    transport.fail({.cause = Cause::mapping, .error = "Invalid field 'state'"});
    ASSERT_TRUE(settled[ticket]);
    EXPECT_EQ(settled[ticket]->cause, Cause::configuration);
    EXPECT_THAT(settled[ticket]->error, HasSubstr("s.yaml:3: sale.order: Invalid field"));
}

TEST_F(ReadBackFixture, WhatCannotBePublishedIsNackedWithItsCause) {
    const auto ticket = hint(7);
    pass(100ms);
    transport.reply(Json::array({order(7, "sale", ten)}));
    make_durable({.error = fail(Errc::unknown_topic, "there is no such topic")});
    ASSERT_TRUE(settled[ticket]);
    EXPECT_EQ(settled[ticket]->cause, Cause::configuration);
    const auto again = hint(7);
    pass(100ms);
    transport.reply(Json::array({order(7, "sale", ten)}));
    EXPECT_EQ(published.size(), 1U) << "what failed is not remembered";
    make_durable();
    EXPECT_TRUE(is_acked(again));
}

TEST_F(ReadBackFixture, WhatIsNoHintIsADeadLetterAndAnotherModelIsPassedOver) {
    read_back().accept(101, "not JSON");
    read_back().accept(102, R"({"_model":"res.partner","_id":1})");
    ASSERT_TRUE(settled[101]);
    EXPECT_EQ(settled[101]->cause, Cause::mapping);
    EXPECT_TRUE(is_acked(102));
}

}  // namespace
}  // namespace millrace::broker::odoo
