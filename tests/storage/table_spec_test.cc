#include "storage/table_spec.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engram::storage {
namespace {

using ::testing::HasSubstr;

TableSpec DeepSeek() {
  return {.rows = 384'006'168,
          .row_bytes = 264,
          .value_format = ValueFormat::kFp8E4m3E8m0,
          .values_per_row = 256,
          .scale_block = 32,
          .scalar_scale = 1.0F,
          .group_size = 8,
          .orders = {2, 3, 4}};
}

TableSpec Plain(ValueFormat format, uint32_t row_bytes, uint32_t values) {
  TableSpec spec;
  spec.rows = 10;
  spec.row_bytes = row_bytes;
  spec.value_format = format;
  spec.values_per_row = values;
  return spec;
}

TEST(TableSpecTest, TakesTheShippedGeometries) {
  EXPECT_TRUE(ValidateTableSpec(DeepSeek()).ok());
  TableSpec qwen = Plain(ValueFormat::kFp8E4m3, 160, 160);
  qwen.rows = 320'001'536;
  qwen.scalar_scale = 0.000199F;
  qwen.group_size = 8;
  qwen.orders = {2, 3};
  EXPECT_TRUE(ValidateTableSpec(qwen).ok());
  EXPECT_TRUE(ValidateTableSpec(Plain(ValueFormat::kBf16, 320, 160)).ok());
}

TEST(TableSpecTest, TakesEveryFormatAndTheLimits) {
  EXPECT_TRUE(ValidateTableSpec(Plain(ValueFormat::kFp16, 6, 3)).ok());
  EXPECT_TRUE(ValidateTableSpec(Plain(ValueFormat::kFp32, 12, 3)).ok());
  EXPECT_TRUE(ValidateTableSpec(Plain(ValueFormat::kInt8, 3, 3)).ok());
  TableSpec most = Plain(ValueFormat::kOpaque, kMaxRowBytes, 0);
  most.rows = kMaxRows;
  most.group_size = kMaxGroupSize;
  EXPECT_TRUE(ValidateTableSpec(most).ok());
  EXPECT_EQ(most.table_bytes(), kMaxRows << 20);
}

struct BadSpec {
  void (*spoil)(TableSpec&);
  const char* message;
};

TEST(TableSpecTest, NamesTheFieldThatIsWrong) {
  const std::vector<BadSpec> cases = {
      {[](TableSpec& s) { s.rows = 0; }, "rows is 0, must be 1 to 4294967295"},
      {[](TableSpec& s) { s.rows = kMaxRows + 1; }, "rows is 4294967296"},
      {[](TableSpec& s) { s.row_bytes = 0; }, "row_bytes is 0"},
      {[](TableSpec& s) { s.row_bytes = kMaxRowBytes + 1; }, "row_bytes is 1048577"},
      {[](TableSpec& s) { s.row_bytes = 265; }, "row_bytes is 265, but 256 fp8_e4m3_e8m0 values"},
      {[](TableSpec& s) { s.value_format = ValueFormat{0}; }, "value_format is 0"},
      {[](TableSpec& s) { s.value_format = ValueFormat{8}; }, "value_format is 8"},
      {[](TableSpec& s) { s.values_per_row = 0; }, "values_per_row is 0, but rows are fp8"},
      {[](TableSpec& s) { s.scale_block = 0; }, "scale_block is 0, must divide"},
      {[](TableSpec& s) { s.scale_block = 48; }, "scale_block is 48, must divide"},
      {[](TableSpec& s) { s.value_format = ValueFormat::kFp8E4m3; },
       "scale_block is 32, but fp8_e4m3 rows hold no scales"},
      {[](TableSpec& s) { s = Plain(ValueFormat::kOpaque, 264, 256); }, "where rows are opaque"},
      {[](TableSpec& s) { s = Plain(ValueFormat::kBf16, 160, 160); }, "values take 320"},
      {[](TableSpec& s) { s = Plain(ValueFormat::kFp32, 4, 1u << 30); }, "values take 4294967296"},
      {[](TableSpec& s) { s.scalar_scale = 0; }, "scalar_scale is 0"},
      {[](TableSpec& s) { s.scalar_scale = -1; }, "scalar_scale is -1"},
      {[](TableSpec& s) { s.scalar_scale = NAN; }, "scalar_scale is nan"},
      {[](TableSpec& s) { s.scalar_scale = std::numeric_limits<float>::infinity(); },
       "scalar_scale is inf"},
      {[](TableSpec& s) {
         s = Plain(ValueFormat::kOpaque, 264, 0);
         s.scalar_scale = 2;
       },
       "opaque rows have no scalar_scale"},
      {[](TableSpec& s) { s.group_size = 0; }, "group_size is 0, must be 1 to 64"},
      {[](TableSpec& s) { s.group_size = 65; }, "group_size is 65"},
      {[](TableSpec& s) {
         s.orders = {2, 0};
       },
       "an n-gram order is 0"},
      {[](TableSpec& s) { s.orders = {65}; }, "an n-gram order is 65"},
      {[](TableSpec& s) {
         s.orders = {2, 3, 2};
       },
       "n-gram order 2 is listed twice"},
  };
  for (const BadSpec& bad : cases) {
    TableSpec spec = DeepSeek();
    bad.spoil(spec);
    const absl::Status status = ValidateTableSpec(spec);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad.message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.message));
  }
}

TEST(TableSpecTest, NamesFormats) {
  EXPECT_EQ(ValueFormatName(ValueFormat::kOpaque), "opaque");
  EXPECT_EQ(ValueFormatName(ValueFormat::kFp8E4m3E8m0), "fp8_e4m3_e8m0");
  EXPECT_EQ(ValueFormatName(ValueFormat::kFp8E4m3), "fp8_e4m3");
  EXPECT_EQ(ValueFormatName(ValueFormat::kBf16), "bf16");
  EXPECT_EQ(ValueFormatName(ValueFormat::kFp16), "fp16");
  EXPECT_EQ(ValueFormatName(ValueFormat::kFp32), "fp32");
  EXPECT_EQ(ValueFormatName(ValueFormat::kInt8), "int8");
  EXPECT_EQ(ValueFormatName(ValueFormat{0}), "unknown");
  EXPECT_EQ(ValueFormatName(ValueFormat{99}), "unknown");
}

TEST(TableNameTest, TakesNamesOfModelsAndLayers) {
  for (const char* name : {"a", "deepseek-v4.1-flash/layer14", "Qwen3.8_Flash-Next/layer2", "a/b/c",
                           "...", "a/..b", ".hidden"}) {
    EXPECT_TRUE(ValidateTableName(name).ok()) << name;
  }
  EXPECT_TRUE(ValidateTableName(std::string(200, 'x')).ok());
}

TEST(TableNameTest, RefusesOthers) {
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"", "is empty"},
      {std::string(201, 'x'), "has 201 characters, may have 200"},
      {"a b", "may hold letters"},
      {"a\nb", "'a\\nb'"},
      {std::string("a\0b", 3), "may hold letters"},
      {"caf\xc3\xa9", "may hold letters"},
      {"/a", "empty path element"},
      {"a/", "empty path element"},
      {"a//b", "empty path element"},
      {".", "path element of \".\""},
      {"a/../b", "path element of \".\""},
  };
  for (const auto& [name, message] : cases) {
    const absl::Status status = ValidateTableName(name);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  }
}

TEST(DigestTest, IsWrittenInHex) {
  Digest digest;
  EXPECT_EQ(digest.ToHex(), std::string(32, '0'));
  for (size_t i = 0; i < digest.bytes.size(); ++i) {
    digest.bytes[i] = static_cast<uint8_t>(i * 17);
  }
  EXPECT_EQ(digest.ToHex(), "00112233445566778899aabbccddeeff");
}

}  // namespace
}  // namespace engram::storage
