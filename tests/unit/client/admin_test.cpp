#include "millrace/admin.hpp"

#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/client/scripted_node.hpp"

#include "client/wire/schema/session_generated.h"
#include "client/wire/schema/subscriptions_generated.h"
#include "millrace/client.hpp"
#include "storage/base/errc.hpp"

namespace millrace::client {
namespace {

/// The code that a call of an Admin ends with.
template <class Call>
Errc end_of(const testing::ScriptedNode& node, Call call) {
    try {
        Client client{{.brokers = node.address()}};
        auto admin = client.admin();
        call(admin);
        return Errc::ok;
    } catch (const ClientError& error) {
        return static_cast<Errc>(error.code());
    }
}

void answer_with_topic(testing::ScriptedNode& node) {
    const auto request = node.next(wire::Api::topic_create);
    wire::TopicAnswerT answer;
    answer.topic = std::make_unique<wire::TopicT>(*request.as<wire::TopicCreateRequest>().topic);
    node.answer(request, answer);
}

TEST(Admin, WhatMayTakeEffectTwiceIsAskedAgainWhereALeaderIsLost) {
    testing::ScriptedNode node;
    std::thread operating([&] {
        EXPECT_EQ(end_of(node, [](Admin& admin) { (void)admin.ensure_topic({.name = "a.b"}); }),
                  Errc::ok);
    });
    node.accept();
    node.refuse(node.next(wire::Api::topic_create), Errc::not_leader);
    (void)node.next(wire::Api::topic_create);
    node.drop();
    node.accept();
    answer_with_topic(node);
    operating.join();
}

TEST(Admin, LettersAreReadAgainWhereALeaderIsLost) {
    testing::ScriptedNode node;
    std::thread operating([&] {
        EXPECT_EQ(end_of(node,
                         [](Admin& admin) {
                             const LetterQuery query{.subscription = "odoo"};
                             EXPECT_TRUE(admin.group_letters(query, LetterGroupBy::cause).empty());
                             EXPECT_EQ(admin.show_letter("odoo", 7).id, 7U);
                         }),
                  Errc::ok);
    });
    node.accept();
    node.refuse(node.next(wire::Api::letter_group), Errc::not_leader);
    node.answer(node.next(wire::Api::letter_group), wire::LetterGroupAnswerT{});
    node.refuse(node.next(wire::Api::letter_show), Errc::not_leader);
    wire::LetterShowAnswerT shown;
    shown.letter = std::make_unique<wire::LetterT>();
    shown.letter->id = 7;
    node.answer(node.next(wire::Api::letter_show), shown);
    operating.join();
}

/// The first request is refused, and none may follow it.
template <class Call>
void expect_one_try(Errc refused_with, Call call) {
    testing::ScriptedNode node;
    std::thread operating([&] { EXPECT_EQ(end_of(node, call), refused_with); });
    node.accept();
    node.refuse(node.next(wire::Api::topic_create), refused_with);
    EXPECT_TRUE(node.rest().empty());
    operating.join();
}

TEST(Admin, WhatIsRefusedForGoodIsNotAskedAgain) {
    expect_one_try(Errc::invalid_argument,
                   [](Admin& admin) { (void)admin.ensure_topic({.name = "a.b"}); });
}

TEST(Admin, WhatCreatesIsNotAskedAgain) {
    expect_one_try(Errc::not_leader,
                   [](Admin& admin) { (void)admin.create_topic({.name = "a.b"}); });
}

}  // namespace
}  // namespace millrace::client
