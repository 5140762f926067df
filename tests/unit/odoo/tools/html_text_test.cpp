#include "broker/odoo/tools/html_text.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

TEST(HtmlText, WhatAPersonReads) {
    EXPECT_EQ(html_text("<p>3 of 50 <b>re</b>jected</p>"), "3 of 50 rejected");
    EXPECT_EQ(html_text("<div data-x=\"1\"><p>one</p><p>two</p></div>"), "one two");
    EXPECT_EQ(html_text("one<br/>two\n\n three&nbsp;"), "one two three");
    EXPECT_EQ(html_text("a &lt; b &amp;amp; &#39;c&#39;"), "a < b &amp; 'c'");
    EXPECT_EQ(html_text("a<!-- <p>not</p> -->b"), "a b");
    EXPECT_EQ(html_text(""), "");
}

TEST(HtmlText, WhatIsNoTagStays) {
    EXPECT_EQ(html_text("3 < 5 and 7 > 6"), "3 < 5 and 7 > 6");
    EXPECT_EQ(html_text("a <b"), "a <b");
    EXPECT_EQ(html_text("&unknown; & <"), "&unknown; & <");
    EXPECT_EQ(html_text("<!-- open"), "<!-- open");
}

TEST(HtmlText, WhatNeverEndsIsReadInOneGo) {
    std::string open;
    for (int count = 0; count < 300'000; ++count) {
        open += "<!--<a";
    }
    EXPECT_EQ(html_text("<p>x</p>" + open), "x " + open);
}

}  // namespace
}  // namespace millrace::broker::odoo
