#include "storage/import/checkpoint.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

TestTensor Bytes(const std::string& name, uint32_t seed) {
  return {name, "U8", {2, 3}, Pattern(seed, 6)};
}

std::string Contents(const Tensor& tensor) {
  std::string bytes(tensor.bytes, '\0');
  const absl::Status status = tensor.file->ReadAt(
      tensor.offset, {reinterpret_cast<std::byte*>(bytes.data()), bytes.size()});
  return status.ok() ? bytes : status.ToString();
}

TEST(CheckpointTest, FindsTensorsInTheirShards) {
  ScratchDirectory dir;
  dir.Write("a.safetensors", SafetensorsBytes({Bytes("x", 1), Bytes("y", 2)}));
  dir.Write("b.safetensors", SafetensorsBytes({Bytes("z", 3)}));
  dir.Write("model.safetensors.index.json",
            IndexText({{"x", "a.safetensors"}, {"y", "a.safetensors"}, {"z", "b.safetensors"}}));
  auto checkpoint = Checkpoint::OpenDirectory(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_TRUE(checkpoint->Contains("z"));
  EXPECT_FALSE(checkpoint->Contains("w"));
  for (const auto& [name, seed] : {std::pair("x", 1), std::pair("y", 2), std::pair("z", 3)}) {
    const auto tensor = checkpoint->Find(name);
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(Contents(*tensor), Pattern(static_cast<uint32_t>(seed), 6));
  }
  EXPECT_EQ(checkpoint->Find("x")->file, checkpoint->Find("y")->file) << "a shard is opened once";
  EXPECT_THAT(checkpoint->Find("w"), IsError(kNotFound, dir.path() + ": holds no tensor 'w'"));
  EXPECT_THAT(checkpoint->FindOnly(), IsError(kInvalid, "holds 3 tensors"));
}

TEST(CheckpointTest, OpensADirectoryOfOneFile) {
  ScratchDirectory dir;
  dir.Write("model.safetensors", SafetensorsBytes({Bytes("x", 1)}));
  auto checkpoint = Checkpoint::OpenDirectory(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ(Contents(*checkpoint->FindOnly()), Pattern(1, 6));
}

TEST(CheckpointTest, SaysWhatIsMissing) {
  ScratchDirectory dir;
  EXPECT_THAT(Checkpoint::OpenDirectory(dir.path()),
              IsError(kNotFound, "holds neither model.safetensors.index.json nor"));
  EXPECT_THAT(Checkpoint::OpenFile(dir.path() + "/a.safetensors"), IsError(kNotFound, "/a.safet"));

  dir.Write("a.safetensors", SafetensorsBytes({Bytes("x", 1)}));
  dir.Write("model.safetensors.index.json",
            IndexText({{"x", "a.safetensors"}, {"y", "a.safetensors"}, {"z", "b.safetensors"}}));
  auto checkpoint = Checkpoint::OpenDirectory(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_TRUE(checkpoint->Find("x").ok());
  EXPECT_THAT(checkpoint->Find("y"), IsError(kNotFound,
                                             "a.safetensors: holds no tensor 'y', "
                                             "though model.safetensors.index.json"));
  EXPECT_THAT(checkpoint->Find("z"), IsError(kNotFound, "shard 'b.safetensors' is missing"));
  EXPECT_THAT(checkpoint->Find("z"), IsError(kNotFound, "tensor 'z'"));
}

TEST(CheckpointTest, DamageInAnUnusedShardDoesNotMatter) {
  ScratchDirectory dir;
  dir.Write("a.safetensors", SafetensorsBytes({Bytes("x", 1)}));
  dir.Write("b.safetensors", "damaged");
  dir.Write("model.safetensors.index.json",
            IndexText({{"x", "a.safetensors"}, {"z", "b.safetensors"}}));
  auto checkpoint = Checkpoint::OpenDirectory(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_TRUE(checkpoint->Find("x").ok());
  EXPECT_THAT(checkpoint->Find("z"), IsError(kInvalid, "b.safetensors: has 7 bytes"));
}

TEST(CheckpointIndexTest, IgnoresWhatItDoesNotNeed) {
  const auto index = ParseCheckpointIndex(
      R"({"metadata":{"weight_map":{"n":1},"a":[[-1,1.5,true,null,"s"]]},"x":1,"y":"s","z":-2.5e3,)"
      R"("weight_map":{"t":"m.safetensors"},"after":[{"b":[]}]})",
      "f");
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(*index, (WeightMap{{"t", "m.safetensors"}}));
}

TEST(CheckpointIndexTest, RefusesMalformedIndexes) {
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"", "is not valid JSON"},
      {"{", "is not valid JSON"},
      {"{}x", "is not valid JSON"},
      {"[]", "index: an array is not allowed here"},
      {"5", "index: a number is not allowed here"},
      {"\"s\"", "index: a string is not allowed here"},
      {"{}", "weight_map is missing"},
      {R"({"metadata":{"weight_map":{}}})", "weight_map is missing"},
      {R"({"weight_map":null})", "weight_map: null is not allowed here"},
      {R"({"weight_map":[]})", "weight_map: an array is not allowed here"},
      {R"({"weight_map":"a.safetensors"})", "weight_map: a string is not allowed here"},
      {R"({"weight_map":{},"weight_map":{}})", "weight_map occurs twice"},
      {R"({"weight_map":{"t":1}})", "weight_map: tensor 't': a number is not allowed here"},
      {R"({"weight_map":{"t":{}}})", "weight_map: tensor 't': an object is not allowed here"},
      {R"({"weight_map":{"t":["a.safetensors"]}})", "tensor 't': an array is not allowed here"},
      {IndexText({{"t", "a.safetensors"}, {"t", "b.safetensors"}}), "tensor 't' is listed twice"},
  };
  for (const auto& [text, message] : cases) {
    EXPECT_THAT(ParseCheckpointIndex(text, "f"), IsError(kInvalid, message)) << text;
  }
}

TEST(CheckpointIndexTest, RefusesShardsThatLieElsewhere) {
  for (const char* shard : {"../a.safetensors", "/etc/a.safetensors", "sub/a.safetensors", "..",
                            "..a.safetensors", "", ".", "a.bin", "a\\u0000.safetensors"}) {
    const auto index = ParseCheckpointIndex(IndexText({{"t", shard}}), "f");
    EXPECT_THAT(index, IsError(kInvalid, "f: weight_map: tensor 't': shard '")) << shard;
    EXPECT_THAT(index,
                IsError(kInvalid, "is not the name of a .safetensors file beside the index"));
  }
}

}  // namespace
}  // namespace engram::storage
