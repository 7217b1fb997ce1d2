// Reading rows: every shape, every range, many threads, files that change.
#include "storage/import/packed_rows.h"

#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "storage/import/safetensors_file.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

// A table of FP8 values, cut into `parts`, with scales if `blocks` is not 0.
struct Fixture {
  ScratchDirectory dir;
  std::string packed;
  std::unique_ptr<RowSource> rows;

  Fixture(const std::vector<uint64_t>& part_rows, uint64_t columns, uint64_t blocks) {
    uint64_t all = 0;
    for (uint64_t count : part_rows) all += count;
    const std::string values = Pattern(1, all * columns);
    const std::string scales = Pattern(2, all * blocks);
    packed = SideBySide(values, scales, all);

    TableTensors tensors;
    uint64_t first = 0;
    for (uint64_t count : part_rows) {
      const std::string name = absl::StrCat("part", tensors.weights.size());
      tensors.weights.push_back(WriteTensor(name, "F8_E4M3", {count, columns},
                                            values.substr(first * columns, count * columns)));
      first += count;
    }
    if (blocks > 0) tensors.scale = WriteTensor("scale", "F8_E8M0", {all, blocks}, scales);
    const auto spec = LayOutTable(tensors);
    if (!spec.ok()) {
      ADD_FAILURE() << spec.status();
      return;
    }
    rows = MakePackedRows(*spec, tensors, "test");
  }

  Tensor WriteTensor(const std::string& name, const std::string& type,
                     const std::vector<uint64_t>& shape, const std::string& bytes) const {
    const std::string path =
        dir.Write(name + ".safetensors",
                  SafetensorsBytes({{"before", "U8", {3}, "abc"}, {name, type, shape, bytes}}));
    const auto tensors = OpenSafetensors(path);
    return tensors.ok() ? tensors->at(name) : Tensor();
  }

  std::string Expected(uint64_t first, uint64_t count) const {
    const uint64_t row_bytes = rows->spec().row_bytes;
    return packed.substr(first * row_bytes, count * row_bytes);
  }
};

TEST(PackedRowsTest, RandomShapesAndRanges) {
  std::mt19937 random(7);
  const auto between = [&](uint64_t least, uint64_t most) {
    return least + random() % (most - least + 1);
  };
  for (int i = 0; i < 60; ++i) {
    std::vector<uint64_t> parts(between(1, 5));
    for (uint64_t& rows : parts) rows = between(1, 400);
    const uint64_t blocks = between(0, 3) * between(0, 4);
    const uint64_t columns = blocks == 0 ? between(1, 700) : blocks * between(1, 64);
    SCOPED_TRACE(absl::StrCat("shape ", i, ": ", parts.size(), " parts, ", columns, " + ", blocks));
    const Fixture table(parts, columns, blocks);
    ASSERT_NE(table.rows, nullptr);
    const uint64_t rows = table.rows->spec().rows;
    EXPECT_TRUE(AllRows(*table.rows) == table.packed);
    for (int j = 0; j < 10; ++j) {
      const uint64_t first = between(0, rows - 1);
      const uint64_t count = between(0, rows - first);
      EXPECT_TRUE(RowBytes(*table.rows, first, count) == table.Expected(first, count))
          << first << " + " << count;
    }
  }
}

TEST(PackedRowsTest, RowsOfTheShippedWidthAcrossManyChunks) {
  const Fixture table({20'011}, 256, 8);
  ASSERT_NE(table.rows, nullptr);
  EXPECT_TRUE(AllRows(*table.rows) == table.packed);
  EXPECT_TRUE(RowBytes(*table.rows, 1'985, 1'986) == table.Expected(1'985, 1'986));
  EXPECT_EQ(RowBytes(*table.rows, 20'010, 1), table.Expected(20'010, 1));
  EXPECT_EQ(RowBytes(*table.rows, 20'011, 0), "") << "an empty range at the end";
}

TEST(PackedRowsTest, RowsLargerThanAChunk) {
  const Fixture table({2, 1}, 800'000, 5);
  ASSERT_NE(table.rows, nullptr);
  EXPECT_TRUE(AllRows(*table.rows) == table.packed);
}

TEST(PackedRowsTest, ManyThreadsReadAtOnce) {
  const Fixture table({3'000, 1'000, 2'000}, 64, 2);
  ASSERT_NE(table.rows, nullptr);
  std::vector<int> wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      for (int i = 0; i < 50; ++i) {
        const uint64_t first = random() % 6'000;
        const uint64_t count = random() % (6'000 - first) + 1;
        if (RowBytes(*table.rows, first, count) != table.Expected(first, count)) ++wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(PackedRowsTest, AFileThatShrinksIsDataLoss) {
  const Fixture table({100, 100}, 64, 2);
  ASSERT_NE(table.rows, nullptr);
  const std::string shrunk = table.dir.path() + "/part1.safetensors";
  std::filesystem::resize_file(shrunk, std::filesystem::file_size(shrunk) - 1);
  const auto read = [&](uint64_t first, uint64_t count) {
    std::string out(count * table.rows->spec().row_bytes, '\0');
    return table.rows->ReadRows(first, count,
                                {reinterpret_cast<std::byte*>(out.data()), out.size()});
  };
  EXPECT_THAT(read(0, 200), IsError(kDataLoss, shrunk + ": ends at or before byte"));
  EXPECT_THAT(read(199, 1), IsError(kDataLoss, "when it was opened"));
  EXPECT_TRUE(read(0, 199).ok()) << "what is there can be read";

  std::filesystem::resize_file(table.dir.path() + "/scale.safetensors", 10);
  EXPECT_THAT(read(0, 1), IsError(kDataLoss, "scale.safetensors: ends"));
}

TEST(PackedRowsTest, FilesMayBeRemovedOnceTheyAreOpen) {
  const Fixture table({100}, 64, 2);
  ASSERT_NE(table.rows, nullptr);
  std::filesystem::remove(table.dir.path() + "/part0.safetensors");
  EXPECT_EQ(AllRows(*table.rows), table.packed);
}

}  // namespace
}  // namespace engram::storage
