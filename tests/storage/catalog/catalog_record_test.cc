#include "storage/catalog/catalog_record.h"

#include <gmock/gmock.h>

#include <string>

#include "absl/strings/str_replace.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

// Records like this one are out there: never change it, raise kFormatVersion instead.
constexpr char kVersion1[] =
    R"({"last_version":7,"published_version":5,"versions":[)"
    R"({"digest":"000102030405060708090a0b0c0d0eff","imported_unix_seconds":1789000000,)"
    R"("source":"/models/v41: layers.1.engram.embed.weight + .scale",)"
    R"("spec":{"group_size":8,"orders":[2,3,4],"row_bytes":264,"rows":384006168,)"
    R"("scalar_scale":1.0,"scale_block":32,"value_format":2,"values_per_row":256},)"
    R"("uid":12,"version":5},)"
    R"({"digest":"ffffffffffffffffffffffffffffffff","imported_unix_seconds":-1,"source":"",)"
    R"("spec":{"group_size":1,"orders":[],"row_bytes":160,"rows":1,)"
    R"("scalar_scale":0.10000000149011612,"scale_block":0,"value_format":3,"values_per_row":160},)"
    R"("uid":18446744073709551615,"version":7}]})";

TEST(CatalogRecordTest, Version1IsReadAndWritten) {
  const auto record = ParseCatalogRecord("v41/layer1", kVersion1);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->last_version, 7U);
  EXPECT_EQ(record->published_version, 5U);
  ASSERT_EQ(record->entries.size(), 2U);
  const CatalogEntry& first = record->entries[0];
  EXPECT_EQ(first.uid, 12U);
  EXPECT_EQ(first.info.identity.name, "v41/layer1");
  EXPECT_EQ(first.info.identity.version, 5U);
  EXPECT_EQ(first.info.identity.digest.ToHex(), "000102030405060708090a0b0c0d0eff");
  EXPECT_TRUE(first.info.published);
  EXPECT_EQ(first.info.imported_unix_seconds, 1789000000);
  EXPECT_EQ(first.info.source, "/models/v41: layers.1.engram.embed.weight + .scale");
  TableSpec spec;
  spec.rows = 384'006'168;
  spec.row_bytes = 264;
  spec.value_format = ValueFormat::kFp8E4m3E8m0;
  spec.values_per_row = 256;
  spec.scale_block = 32;
  spec.group_size = 8;
  spec.orders = {2, 3, 4};
  EXPECT_TRUE(first.info.spec == spec);
  const CatalogEntry& second = record->entries[1];
  EXPECT_EQ(second.uid, ~uint64_t{0});
  EXPECT_FALSE(second.info.published);
  EXPECT_EQ(second.info.spec.scalar_scale, 0.1F);
  EXPECT_EQ(FormatCatalogRecord(*record), kVersion1);
}

TEST(CatalogRecordTest, ATableWithoutVersionsKeepsItsCount) {
  const std::string text = FormatCatalogRecord({.last_version = 3});
  EXPECT_EQ(text, R"({"last_version":3,"published_version":0,"versions":[]})");
  const auto record = ParseCatalogRecord("t", text);
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->last_version, 3U);
}

TEST(CatalogRecordTest, ASourceThatIsNotUtf8IsKeptReadable) {
  auto record = ParseCatalogRecord("t", kVersion1);
  ASSERT_TRUE(record.ok());
  record->entries[0].info.source = "/models/\xFFoo";
  const auto again = ParseCatalogRecord("t", FormatCatalogRecord(*record));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->entries[0].info.source, "/models/\uFFFDoo");
}

// Each damage is one replacement in the golden record.
TEST(CatalogRecordTest, DamageIsFoundAndTheTableNamed) {
  const std::vector<std::pair<std::string, std::string>> damages = {
      {"]}", "]"},
      {"\"last_version\":7", "\"last_version\":\"7\""},
      {"\"last_version\":7", "\"last_version\":6"},
      {"\"last_version\":7", "\"last_version\":7.5"},
      {"\"published_version\":5", "\"published_version\":6"},
      {"\"published_version\":5,", ""},
      {"\"version\":7}", "\"version\":0}"},
      {"\"version\":7}", "\"version\":5}"},
      {"\"uid\":12", "\"uid\":0"},
      {"\"uid\":12", "\"udi\":12"},
      {"0d0eff", "0d0ef"},
      {"0d0eff", "0d0exx"},
      {"\"row_bytes\":264", "\"row_bytes\":4294967560"},  // 264, cut to 32 bits
      {"\"row_bytes\":264", "\"row_bytes\":265"},
      {"\"rows\":1,", "\"rows\":0,"},
      {"\"rows\":1,", "\"rows\":-1,"},
      {"\"group_size\":8", "\"group_size\":65"},
      {"\"value_format\":2", "\"value_format\":99"},
      {"\"orders\":[2,3,4]", "\"orders\":[2,3,3]"},
      {"\"orders\":[2,3,4]", "\"orders\":7"},
      {"\"source\":\"\"", "\"source\":null"},
      {"\"source\":\"\"", "\"source\":\"\",\"new\":1"},
  };
  for (const auto& [from, to] : damages) {
    const std::string text = absl::StrReplaceAll(kVersion1, {{from, to}});
    ASSERT_NE(text, kVersion1) << from;
    EXPECT_THAT(ParseCatalogRecord("v41/layer1", text),
                IsError(kDataLoss, "the catalog's record of table \"v41/layer1\" is damaged: "))
        << from << " -> " << to;
  }
  for (const char* text : {"", "null", "[]", "{}", "\xFF"}) {
    EXPECT_THAT(ParseCatalogRecord("t", text), IsError(kDataLoss, "table \"t\"")) << text;
  }
}

}  // namespace
}  // namespace engram::storage
