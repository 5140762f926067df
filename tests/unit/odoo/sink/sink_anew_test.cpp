#include "tests/unit/odoo/sink/sink_fixture.hpp"

// Events that ask with an id which lookups had found and whose record is not there any more.

namespace millrace::broker::odoo {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr const char* lot_of_product = R"(mappings:
  - topics: [a]
    steps:
      - {name: product, action: lookup, model: product.product,
         domain: '[["name", "=", .value[0:1]]]'}
      - {model: stock.lot, external_id: .value,
         fields: {name: .value, product_id/.id: .steps.product.id}}
)";

class SinkAnew : public SinkFixture {
  protected:
    SinkAnew() { mapping = lot_of_product; }
    /// A product is in the cache with that id.
    void know_product(const std::string& name, int id) {
        give({name + "0"});
        transport.reply({{{"id", id}}});
        transport.answer();
        ASSERT_THAT(acked, testing::Contains(name + "0"));
    }
    /// Answers a `load` that refuses its first row for that field.
    void refuse_row(const char* field, const char* message) {
        transport.reply({{"ids", false},
                         {"messages",
                          {{{"type", "error"},
                            {"rows", {{"from", 0}, {"to", 0}}},
                            {"field", field},
                            {"message", message}}}}});
    }
    /// Answers a `load` as Odoo does that has no products of these ids.
    void answer_load_without(const std::set<std::string>& gone) {
        Json messages = Json::array();
        const auto rows = next().positional.at(1).second;
        for (std::size_t row = 0; row < rows.size() && messages.size() < 10; ++row) {
            const auto id = rows[row].at(2).get<std::string>();
            if (gone.contains(id)) {
                messages.push_back(
                    {{"type", "error"},
                     {"rows", {{"from", row}, {"to", row}}},
                     {"record", row},
                     {"field", "product_id"},
                     {"message", "No matching record found for database id '" + id + "'"}});
            }
        }
        messages.empty() ? transport.answer()
                         : transport.reply({{"ids", false}, {"messages", messages}});
    }
};

TEST_F(SinkAnew, ARowWithAnIdThatIsGoneIsTriedOnceMoreWithAFreshLookup) {
    know_product("p", 7);
    give({"p1"});
    ASSERT_EQ(next().method, "load") << "the product is in the cache";
    answer_load_without({"7"});
    ASSERT_EQ(next().method, "search_read");
    transport.reply({{{"id", 8}}});
    EXPECT_EQ(next().positional.at(1).second.dump(), R"([["millrace.p1","p1","8"]])");
    transport.answer();
    EXPECT_THAT(acked, ElementsAre("p0", "p1"));
    EXPECT_TRUE(nacks.empty());
    give({"p2"});
    EXPECT_EQ(next().method, "load") << "what was found anew is in the cache";
}

TEST_F(SinkAnew, ARowThatIsRefusedAlsoWithAFreshLookupBecomesALetter) {
    know_product("p", 7);
    give({"p1"});
    answer_load_without({"7"});
    transport.reply({{{"id", 7}}});
    answer_load_without({"7"});
    EXPECT_EQ(nacks.at("p1").cause, Cause::mapping);
    EXPECT_THAT(nacks.at("p1").error, HasSubstr("database id '7'"));
    EXPECT_TRUE(transport.waiting.empty());
}

TEST_F(SinkAnew, ARecordThatIsGoneForGoodIsALookupThatFindsNothing) {
    know_product("p", 7);
    give({"p1"});
    answer_load_without({"7"});
    transport.reply(Json::array());
    EXPECT_THAT(nacks.at("p1").error, HasSubstr("no product.product is found by"));
}

TEST_F(SinkAnew, AllThatAskWithTheSameIdBeginAnewAndOthersGoOn) {
    know_product("p", 7);
    know_product("q", 9);
    std::vector<std::string> many{"q1"};
    for (char letter = 'a'; letter <= 'o'; ++letter) {
        many.push_back(std::string("p") + letter);
    }
    give(many);
    answer_load_without({"7"});
    std::set<std::string> methods;
    for (int calls = 0; !transport.waiting.empty(); ++calls) {
        ASSERT_LT(calls, 4) << "no call for each ten";
        methods.insert(next().method);
        next().method == "search_read" ? transport.reply({{{"id", 8}}})
                                       : answer_load_without({"7"});
    }
    EXPECT_THAT(methods, UnorderedElementsAre("load", "search_read"));
    EXPECT_EQ(acked.size(), 2 + many.size());
    EXPECT_TRUE(nacks.empty());
}

TEST_F(SinkAnew, ARowThatIsRefusedForAnotherFieldIsNotTriedAgain) {
    know_product("p", 7);
    give({"p1"});
    refuse_row("name", "too long");
    EXPECT_EQ(nacks.at("p1").cause, Cause::mapping);
    EXPECT_TRUE(transport.waiting.empty());
}

TEST_F(SinkAnew, AConflictInSuchARowIsTransient) {
    know_product("p", 7);
    give({"p1"});
    refuse_row("product_id", "could not serialize access");
    EXPECT_EQ(nacks.at("p1").cause, Cause::transient);
}

Fault is_missing(int id) {
    return classify_error("odoo.exceptions.MissingError",
                          "Record does not exist or has been deleted.\n(Record: product.product(" +
                              std::to_string(id) + ",), User: 2)");
}

TEST_F(SinkAnew, AWriteOfARecordThatIsGoneBeginsAnew) {
    mapping = R"(mappings:
  - topics: [a]
    steps:
      - {name: product, action: lookup, model: product.product, domain: '[["name", "=", .value]]'}
      - {action: write, model: product.product, id: .steps.product.id, fields: {note: '"x"'}}
)";
    give({"p"});
    transport.reply({{{"id", 7}}});
    transport.fail(is_missing(7));
    ASSERT_EQ(next().method, "search_read");
    transport.reply({{{"id", 8}}});
    EXPECT_EQ(next().ids->dump(), "[8]");
    transport.reply(true);
    EXPECT_THAT(acked, ElementsAre("p"));
    give({"p"});
    transport.fail(is_missing(8));
    transport.reply({{{"id", 8}}});
    transport.fail(is_missing(8));
    EXPECT_EQ(nacks.at("p").cause, Cause::mapping);
}

TEST_F(SinkAnew, ACallOnARecordThatCannotBeReadBeginsAnew) {
    mapping = R"(mappings:
  - topics: [a]
    steps:
      - {name: order, action: lookup, model: sale.order, domain: '[["name", "=", .value]]'}
      - {action: call, model: sale.order, method: action_confirm, id: .steps.order.id,
         expect: {state: sale}}
)";
    give({"s"});
    transport.reply({{{"id", 7}}});
    transport.reply(Json::array());
    ASSERT_EQ(next().method, "search_read");
    transport.reply({{{"id", 8}}});
    transport.reply({{{"id", 8}, {"state", "sale"}}});
    EXPECT_THAT(acked, ElementsAre("s"));
}

TEST_F(SinkAnew, AnEventThatTheLedgerRefusesForARecordThatIsGoneBeginsAnew) {
    mapping = R"(mappings:
  - topics: [a]
    steps:
      - {name: product, action: lookup, model: product.product, domain: '[["name", "=", .value]]'}
      - {action: create, mode: ledger, model: stock.scrap,
         fields: {product_id: .steps.product.id}}
)";
    options.ledger_action_id = 77;
    give({"p"});
    transport.reply({{{"id", 7}}});
    transport.reply({{"millrace",
                      {{{"status", "error"},
                        {"class", "MissingError"},
                        {"message", "(Record: product.product(7,), User: 2)"}}}}});
    ASSERT_EQ(next().method, "search_read");
    transport.reply({{{"id", 8}}});
    EXPECT_EQ(next().context.at("millrace_events")[0].at("steps")[0].at("values").dump(),
              R"({"product_id":8})");
    transport.reply({{"millrace", {{{"status", "ok"}, {"ids", Json::object()}}}}});
    EXPECT_THAT(acked, ElementsAre("p"));
}

}  // namespace
}  // namespace millrace::broker::odoo
