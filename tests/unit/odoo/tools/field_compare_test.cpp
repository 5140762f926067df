#include "broker/odoo/tools/field_compare.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

using Json = nlohmann::json;

bool same(const char* column, const Json& wanted, const char* type, const Json& found) {
    return is_same({.column = column, .value = wanted}, type, found, [](const std::string& name) {
        return name == "plm.nut" ? std::optional<std::int64_t>(7) : std::nullopt;
    });
}

TEST(FieldCompare, TextsAndNothing) {
    EXPECT_TRUE(same("name", "A", "char", "A"));
    EXPECT_TRUE(same("name", "", "char", false));
    EXPECT_TRUE(same("name", nullptr, "text", false));
    EXPECT_FALSE(same("name", "A", "char", false));
    EXPECT_TRUE(same("name", 7, "char", "7"));
}

TEST(FieldCompare, NumbersAsTextOrNotAndRounded) {
    EXPECT_TRUE(same("qty", "10", "float", 10.0));
    EXPECT_TRUE(same("qty", 0.1, "float", 0.10000001));
    EXPECT_FALSE(same("qty", "10", "float", 10.5));
    EXPECT_TRUE(same("qty", "", "integer", 0));
    EXPECT_FALSE(same("qty", "many", "integer", 0));
}

TEST(FieldCompare, TruthAsCellsHaveIt) {
    EXPECT_TRUE(same("picked", "True", "boolean", true));
    EXPECT_TRUE(same("picked", "", "boolean", false));
    EXPECT_FALSE(same("picked", true, "boolean", false));
}

TEST(FieldCompare, RelationsByNameExternalIdOrId) {
    const Json nut = Json::array({7, "[590] Nut"});
    EXPECT_TRUE(same("product_id", "Nut", "many2one", nut));
    EXPECT_TRUE(same("product_id/id", "plm.nut", "many2one", nut));
    EXPECT_TRUE(same("product_id/.id", "7", "many2one", nut));
    EXPECT_TRUE(same("product_id", 7, "many2one", nut));
    EXPECT_FALSE(same("product_id", "Bolt", "many2one", nut));
    EXPECT_FALSE(same("product_id/id", "plm.bolt", "many2one", nut));
    EXPECT_FALSE(same("product_id", "Nut", "many2one", false));
    EXPECT_TRUE(same("product_id", "", "many2one", false));
}

TEST(FieldCompare, ARelationIsNotTheSameForAPartOfItsName) {
    EXPECT_FALSE(same("product_id", "Nut", "many2one", Json::array({7, "Nut, large"})));
    EXPECT_FALSE(same("product_id", "Nu", "many2one", Json::array({7, "[590] Nut"})));
    EXPECT_TRUE(same("product_id", "[590] Nut", "many2one", Json::array({7, "[590] Nut"})));
    EXPECT_TRUE(same("product_id", "590", "many2one", Json::array({7, "[590] Nut"})));
}

TEST(FieldCompare, HtmlByWhatAPersonReads) {
    EXPECT_TRUE(same("note", "3 of 50 rejected", "html", "<p>3 of 50 rejected</p>"));
    EXPECT_TRUE(same("note", "<b>A</b>", "html", "<p><b>A</b></p>"));
    EXPECT_TRUE(same("note", "", "html", false));
    EXPECT_TRUE(same("note", "", "html", "<p><br></p>"));
    EXPECT_FALSE(same("note", "A", "html", "<p>B</p>"));
    EXPECT_FALSE(same("note", "A", "html", false));
}

TEST(FieldCompare, ListsOfRecordsAreNotCompared) {
    EXPECT_TRUE(is_comparable("char"));
    EXPECT_FALSE(is_comparable("one2many"));
    EXPECT_EQ(field_of("product_id/.id"), "product_id");
}

}  // namespace
}  // namespace millrace::broker::odoo
