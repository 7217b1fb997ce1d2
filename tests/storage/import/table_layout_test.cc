// Tables imported by the name of their tensor, or from a file that holds nothing else.
#include "storage/import/table_layout.h"

#include <bit>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "storage/import/row_source.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

// Opens tensor "w" (with scale tensor "s" if there is one) of a file of these tensors.
absl::StatusOr<std::vector<NamedRowSource>> Open(const ScratchDirectory& dir,
                                                 const std::vector<TestTensor>& tensors) {
  ImportOptions options;
  options.path = dir.Write("m.safetensors", SafetensorsBytes(tensors));
  options.name = "t";
  options.tensor = "w";
  if (tensors.size() > 1) options.scale_tensor = "s";
  return OpenRowSources(options);
}

std::string FloatBytes(float value) { return LittleEndian(std::bit_cast<uint32_t>(value), 4); }

struct TypeCase {
  const char* type;
  uint64_t columns;
  uint32_t row_bytes;
  ValueFormat format;
};

TEST(TableLayoutTest, TypesBecomeFormats) {
  const std::vector<TypeCase> cases = {
      {"F8_E4M3", 5, 5, ValueFormat::kFp8E4m3}, {"BF16", 5, 10, ValueFormat::kBf16},
      {"F16", 5, 10, ValueFormat::kFp16},       {"F32", 5, 20, ValueFormat::kFp32},
      {"I8", 5, 5, ValueFormat::kInt8},         {"U8", 5, 5, ValueFormat::kOpaque},
      {"F8_E5M2", 5, 5, ValueFormat::kOpaque},  {"I64", 5, 40, ValueFormat::kOpaque},
      {"F4", 6, 3, ValueFormat::kOpaque},
  };
  ScratchDirectory dir;
  for (const TypeCase& c : cases) {
    const std::string data = Pattern(1, 3 * c.row_bytes);
    const auto sources = Open(dir, {{"w", c.type, {3, c.columns}, data}});
    ASSERT_TRUE(sources.ok()) << sources.status();
    const TableSpec& spec = sources->front().rows->spec();
    EXPECT_EQ(sources->front().table, "t");
    EXPECT_EQ(spec.rows, 3u);
    EXPECT_EQ(spec.row_bytes, c.row_bytes) << c.type;
    EXPECT_EQ(spec.value_format, c.format) << c.type;
    EXPECT_EQ(spec.values_per_row, c.format == ValueFormat::kOpaque ? 0 : 5u) << c.type;
    EXPECT_EQ(spec.group_size, 1u);
    EXPECT_TRUE(spec.orders.empty());
    EXPECT_TRUE(ValidateTableSpec(spec).ok());
    EXPECT_EQ(AllRows(*sources->front().rows), data);
  }
}

TEST(TableLayoutTest, BlockScalesFollowTheValuesOfTheirRow) {
  ScratchDirectory dir;
  for (const char* type : {"F8_E8M0", "U8"}) {
    const std::string values = Pattern(1, 7 * 64);
    const std::string scales = Pattern(2, 7 * 4);
    const auto sources =
        Open(dir, {{"w", "F8_E4M3", {7, 64}, values}, {"s", type, {7, 4}, scales}});
    ASSERT_TRUE(sources.ok()) << sources.status();
    const RowSource& rows = *sources->front().rows;
    EXPECT_EQ(rows.spec().value_format, ValueFormat::kFp8E4m3E8m0);
    EXPECT_EQ(rows.spec().row_bytes, 68u);
    EXPECT_EQ(rows.spec().values_per_row, 64u);
    EXPECT_EQ(rows.spec().scale_block, 16u);
    EXPECT_EQ(rows.spec().scalar_scale, 1.0F);
    EXPECT_EQ(AllRows(rows), SideBySide(values, scales, 7));
    EXPECT_EQ(rows.description(), dir.path() + "/m.safetensors: w + s");
  }
}

struct ScalarCase {
  const char* type;
  std::vector<uint64_t> shape;
  std::string bytes;
  float expected;
};

TEST(TableLayoutTest, AOneNumberScaleBelongsToTheTable) {
  ScratchDirectory dir;
  const std::vector<ScalarCase> cases = {
      {"F32", {1}, FloatBytes(0.000199F), 0.000199F},
      {"F32", {}, FloatBytes(2.5F), 2.5F},
      {"F32", {1, 1}, FloatBytes(0x1p-140F), 0x1p-140F},
      {"BF16", {1}, LittleEndian(0x3C80, 2), 0x1p-6F},
      {"BF16", {1}, LittleEndian(0x3FC0, 2), 1.5F},
      {"F16", {1}, LittleEndian(0x3E00, 2), 1.5F},
      {"F16", {1}, LittleEndian(0x7BFF, 2), 65504.0F},
      {"F16", {1}, LittleEndian(0x0400, 2), 0x1p-14F},
      {"F16", {1}, LittleEndian(0x0001, 2), 0x1p-24F},
      {"F16", {1}, LittleEndian(0x03FF, 2), 1023 * 0x1p-24F},
  };
  const std::string values = Pattern(1, 3 * 160);
  for (const ScalarCase& c : cases) {
    for (const char* type : {"F8_E4M3", "I8"}) {
      const auto sources =
          Open(dir, {{"w", type, {3, 160}, values}, {"s", c.type, c.shape, c.bytes}});
      ASSERT_TRUE(sources.ok()) << sources.status();
      const RowSource& rows = *sources->front().rows;
      EXPECT_EQ(rows.spec().scalar_scale, c.expected);
      EXPECT_EQ(rows.spec().row_bytes, 160u);
      EXPECT_EQ(rows.spec().scale_block, 0u);
      EXPECT_EQ(rows.spec().value_format,
                type == std::string("I8") ? ValueFormat::kInt8 : ValueFormat::kFp8E4m3);
      EXPECT_EQ(AllRows(rows), values);
    }
  }
}

struct BadTensors {
  std::vector<TestTensor> tensors;
  const char* message;
};

TEST(TableLayoutTest, RefusesShapesThatAreNoTable) {
  ScratchDirectory dir;
  const std::string big(kMaxRowBytes + 1, 'x');
  const std::vector<BadTensors> cases = {
      {{{"w", "U8", {12}, Pattern(1, 12)}}, "tensor 'w' is U8 [12], a table needs [rows, values]"},
      {{{"w", "U8", {2, 2, 3}, Pattern(1, 12)}}, "is U8 [2, 2, 3], a table needs [rows, values]"},
      {{{"w", "U8", {}, "x"}}, "is U8 [], a table needs [rows, values]"},
      {{{"w", "U8", {0, 5}, ""}}, "is U8 [0, 5], which is empty"},
      {{{"w", "U8", {5, 0}, ""}}, "is U8 [5, 0], which is empty"},
      {{{"w", "F4", {2, 3}, "abc"}}, "is F4 [2, 3], whose rows do not end at a byte"},
      {{{"w", "U8", {1, kMaxRowBytes + 1}, big}}, "but a row may have 1048576 bytes"},
      {{{"w", "F8_E4M3", {1, kMaxRowBytes}, big.substr(1)}, {"s", "U8", {1, 1}, "s"}},
       "row_bytes is 1048577"},
  };
  for (const BadTensors& bad : cases) {
    const auto sources = Open(dir, bad.tensors);
    EXPECT_THAT(sources, IsError(kInvalid, bad.message));
    EXPECT_THAT(sources, IsError(kInvalid, dir.path() + "/m.safetensors: "));
  }
}

TEST(TableLayoutTest, RefusesScalesThatDoNotFit) {
  ScratchDirectory dir;
  const TestTensor weight = {"w", "F8_E4M3", {4, 64}, Pattern(1, 256)};
  const std::vector<BadTensors> cases = {
      {{weight, {"s", "F8_E8M0", {3, 2}, Pattern(2, 6)}},
       "tensor 's' is F8_E8M0 [3, 2], but its table has 4 rows of 64 values"},
      {{weight, {"s", "F8_E8M0", {4, 3}, Pattern(2, 12)}},
       "scales must be [rows, blocks of a row]"},
      {{weight, {"s", "F8_E8M0", {4, 128}, Pattern(2, 512)}}, "scales must be [rows, blocks of a"},
      {{weight, {"s", "F8_E8M0", {4, 0}, ""}}, "scales must be [rows, blocks of a row]"},
      {{weight, {"s", "F8_E8M0", {8}, Pattern(2, 8)}}, "scales must be [rows, blocks of a row]"},
      {{weight, {"s", "U8", {1}, "x"}}, "scales must be [rows, blocks of a row]"},
      {{weight, {"s", "F32", {4, 2}, Pattern(2, 32)}}, "of that type must be one number"},
      {{weight, {"s", "F32", {0}, ""}}, "of that type must be one number"},
      {{weight, {"s", "F64", {1}, Pattern(2, 8)}}, "a scale must be F8_E8M0 or U8"},
      {{weight, {"s", "I8", {4, 2}, Pattern(2, 8)}}, "a scale must be F8_E8M0 or U8"},
      {{weight, {"s", "F32", {1}, FloatBytes(0)}}, "and says 0, but a scale must be finite"},
      {{weight, {"s", "F32", {1}, FloatBytes(-1)}}, "and says -1"},
      {{weight, {"s", "F32", {1}, LittleEndian(0x7FC00000, 4)}}, "and says nan"},
      {{weight, {"s", "BF16", {1}, LittleEndian(0x7F80, 2)}}, "and says inf"},
      {{weight, {"s", "F16", {1}, LittleEndian(0x7C00, 2)}}, "and says inf"},
      {{weight, {"s", "F16", {1}, LittleEndian(0xBC00, 2)}}, "and says -1"},
      {{{"w", "BF16", {4, 64}, Pattern(1, 512)}, {"s", "F8_E8M0", {4, 2}, Pattern(2, 8)}},
       "scales for blocks go with F8_E4M3 values, but tensor 'w' is BF16 [4, 64]"},
      {{{"w", "BF16", {4, 64}, Pattern(1, 512)}, {"s", "F32", {1}, FloatBytes(1)}},
       "a scale goes with F8_E4M3 or I8 values, but tensor 'w' is BF16 [4, 64]"},
      {{{"w", "U8", {4, 64}, Pattern(1, 256)}, {"s", "F32", {1}, FloatBytes(1)}},
       "a scale goes with F8_E4M3 or I8 values"},
  };
  for (const BadTensors& bad : cases)
    EXPECT_THAT(Open(dir, bad.tensors), IsError(kInvalid, bad.message));
}

TEST(TableLayoutTest, MoreRowsThanIdsAreRefused) {
  Tensor half;
  half.name = "w";
  half.shape = {kMaxRows / 2 + 1, 1};
  EXPECT_THAT(LayOutTable({.weights = {half, half}, .scale = {}}),
              IsError(kInvalid, "but a table may have 4294967295 rows"));
  EXPECT_TRUE(LayOutTable({.weights = {half}, .scale = {}}).ok());
}

TEST(TableLayoutTest, NpyFilesAreTables) {
  ScratchDirectory dir;
  ImportOptions options;
  options.name = "t";
  options.group_size = 8;
  options.orders = {2, 3};
  const std::string data = Pattern(1, 6 * 264);
  options.path = dir.Write("a.npy", NpyBytes(1, NpyHeader("|V264", "(6,)"), data));
  std::unique_ptr<RowSource> rows = OpenSingle(options);
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->spec().value_format, ValueFormat::kOpaque);
  EXPECT_EQ(rows->spec().row_bytes, 264u);
  EXPECT_EQ(rows->spec().group_size, 8u);
  EXPECT_EQ(rows->spec().orders, (std::vector<uint32_t>{2, 3}));
  EXPECT_EQ(AllRows(*rows), data);

  options.path = dir.Write("b.npy", NpyBytes(3, NpyHeader("<f2", "(6, 132)"), data));
  rows = OpenSingle(options);
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(rows->spec().value_format, ValueFormat::kFp16);
  EXPECT_EQ(rows->spec().values_per_row, 132u);
  EXPECT_EQ(RowBytes(*rows, 2, 3), data.substr(2 * 264, 3 * 264));

  options.path = dir.Write("c.npy", NpyBytes(1, NpyHeader("<f4", "(396,)"), data));
  EXPECT_THAT(OpenRowSources(options),
              IsError(kInvalid, "tensor 'c.npy' is F32 [396], a table needs [rows, values]"));
}

}  // namespace
}  // namespace engram::storage
