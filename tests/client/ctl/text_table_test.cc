#include "client/ctl/text_table.h"

#include <gtest/gtest.h>

#include <sstream>

namespace engram::ctl {
namespace {

TEST(TextTableTest, AlignsAndLeavesNoBlanksAtLineEnds) {
  TextTable table({{"NAME"}, {"ROWS", true}, {"NOTE"}});
  table.AddRow({"a", "1,000", ""});
  table.AddRow({"longer", "5", "here"});
  std::ostringstream out;
  table.Print(out, "  ");
  EXPECT_EQ(out.str(),
            "  NAME     ROWS  NOTE\n"
            "  a       1,000\n"
            "  longer      5  here\n");
}

}  // namespace
}  // namespace engram::ctl
