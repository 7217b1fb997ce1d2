#include <gmock/gmock.h>

#include "tests/client/ctl/ctl_testing.h"

namespace engram::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

TEST_F(CtlTest, TablesOfAnEmptyDaemon) {
  EXPECT_THAT(Run({"tables"}).out, HasSubstr("no tables"));
  EXPECT_EQ(Run({"tables", "--json"}).json(),
            nlohmann::json({{"tables", nlohmann::json::array()}}));
}

TEST_F(CtlTest, TablesListsEveryVersionInAlignedColumns) {
  ImportDemo();
  ASSERT_EQ(Run({"import", checkpoint(), "demo", "--layer", "1", "--stage-only"}).exit_code,
            kSuccess);
  const Outcome text = Run({"tables"});
  EXPECT_EQ(text.exit_code, kSuccess) << text.err;
  EXPECT_THAT(text.out,
              MatchesRegex("NAME +VERSION +PUBLISHED +ROWS +ROW BYTES +FORMAT +GROUP +ORDERS +DISK "
                           "+IMPORTED +DIGEST\n"
                           "demo/layer1 +1  yes +[0-9,]+ +264  fp8_e4m3_e8m0 +8  2,3,4 +.*\n"
                           "demo/layer1 +2  no +[0-9,]+ +264  fp8_e4m3_e8m0 +8  2,3,4 +.*\n"
                           "demo/layer14 +1  yes +[0-9,]+ +264  fp8_e4m3_e8m0 +8  2,3,4 +.*\n"));

  const nlohmann::json tables = Run({"tables", "--json"}).json()["tables"];
  ASSERT_EQ(tables.size(), 3u);
  EXPECT_EQ(tables[1]["name"], "demo/layer1");
  EXPECT_EQ(tables[1]["version"], 2);
  EXPECT_EQ(tables[1]["published"], false);
  EXPECT_EQ(tables[1]["digest"], tables[0]["digest"]);
  EXPECT_EQ(tables[1]["digest"].get<std::string>().size(), 32u);
  EXPECT_NE(tables[2]["digest"], tables[0]["digest"]);
  EXPECT_THAT(text.out, HasSubstr(tables[2]["digest"].get<std::string>().substr(0, 12)));
  EXPECT_THAT(tables[0]["spec"]["orders"], ElementsAre(2, 3, 4));
  EXPECT_GT(tables[0]["disk_bytes"], tables[0]["spec"]["rows"].get<uint64_t>() * 264);
}

}  // namespace
}  // namespace engram::ctl
