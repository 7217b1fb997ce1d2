#include "storage/import/safetensors_file.h"

#include <sys/stat.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

// One tensor of 8 bytes, described by `fields`.
std::string OneTensor(const std::string& fields) {
  return SafetensorsBytes(absl::StrCat(R"({"a":{)", fields, "}}"), Pattern(1, 8));
}

TEST(SafetensorsFileTest, FindsTensorsAndTheirPlaces) {
  ScratchDirectory dir;
  const std::string bytes = SafetensorsBytes(std::vector<TestTensor>{
      {"a.weight", "F8_E4M3", {3, 4}, Pattern(1, 12)},
      {"empty", "F32", {0, 4}, ""},
      {"scalar", "BF16", {}, Pattern(2, 2)},
      {"b", "F4", {2, 3}, Pattern(3, 3)},
  });
  const auto tensors = OpenSafetensors(dir.Write("m.safetensors", bytes));
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  ASSERT_EQ(tensors->size(), 4u);
  const Tensor& a = tensors->at("a.weight");
  EXPECT_EQ(a.type, TensorType::kF8E4m3);
  EXPECT_EQ(a.shape, (std::vector<uint64_t>{3, 4}));
  EXPECT_EQ(bytes.substr(a.offset, a.bytes), Pattern(1, 12));
  EXPECT_EQ(a.file->size(), bytes.size());
  EXPECT_EQ(a.TypeAndShape(), "F8_E4M3 [3, 4]");
  const Tensor& scalar = tensors->at("scalar");
  EXPECT_TRUE(scalar.shape.empty());
  EXPECT_EQ(bytes.substr(scalar.offset, scalar.bytes), Pattern(2, 2));
  EXPECT_EQ(bytes.substr(tensors->at("b").offset, 3), Pattern(3, 3));
  EXPECT_EQ(tensors->at("empty").bytes, 0u);
}

TEST(SafetensorsFileTest, TakesAnyOrderOfTensorsAndFields) {
  ScratchDirectory dir;
  const std::string header =
      R"({"z":{"data_offsets":[4,8],"shape":[4],"dtype":"U8"},)"
      R"("a":{"shape":[2],"dtype":"I16","data_offsets":[0,4]},"__metadata__":{}}   )";
  const std::string data = Pattern(1, 8);
  const auto tensors = OpenSafetensors(dir.Write("m.safetensors", SafetensorsBytes(header, data)));
  ASSERT_TRUE(tensors.ok()) << tensors.status();
  EXPECT_EQ(tensors->at("z").offset, 8 + header.size() + 4);
}

TEST(SafetensorsFileTest, KnowsEveryType) {
  const std::vector<std::pair<const char*, uint64_t>> bits = {
      {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
      {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
      {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
      {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
      {"I64", 64},        {"U64", 64},
  };
  for (const auto& [name, count] : bits) {
    const std::string header = absl::StrCat(R"({"t":{"dtype":")", name,
                                            R"(","shape":[2,4],"data_offsets":[0,)", count, "]}}");
    const auto tensors = ParseSafetensorsHeader(header, 8 + header.size() + count, "f");
    ASSERT_TRUE(tensors.ok()) << tensors.status();
    EXPECT_EQ(TensorTypeName(tensors->at("t").type), name);
    EXPECT_EQ(tensors->at("t").bytes, count);
  }
}

struct BadFile {
  std::string bytes;
  const char* message;
};

void ExpectRefused(const std::vector<BadFile>& cases) {
  ScratchDirectory dir;
  for (const BadFile& bad : cases) {
    const std::string path = dir.Write("bad.safetensors", bad.bytes);
    const auto tensors = OpenSafetensors(path);
    EXPECT_THAT(tensors, IsError(kInvalid, bad.message));
    EXPECT_THAT(tensors, IsError(kInvalid, path)) << "the message must name the file";
  }
}

TEST(SafetensorsFileTest, RefusesMalformedFiles) {
  const std::string data = Pattern(1, 8);
  const std::string good = R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}})";
  ExpectRefused({
      {"", "has 0 bytes, too few"},
      {"1234567", "has 7 bytes, too few"},
      {LittleEndian(0, 8), "header does not begin with '{'"},
      {LittleEndian(100'000'001, 8) + good, "header of 100000001 bytes, may have 100000000"},
      {LittleEndian(~0ull, 8) + good, "header of 18446744073709551615 bytes"},
      {LittleEndian(good.size() + data.size() + 1, 8) + good + data, "truncated: header of 62"},
      {SafetensorsBytes("[]", ""), "header does not begin with '{'"},
      {SafetensorsBytes(" " + good, data), "header does not begin with '{'"},
      {SafetensorsBytes("{", ""), "is not valid JSON at byte"},
      {SafetensorsBytes(good + "x", data), "is not valid JSON at byte 54"},
      {SafetensorsBytes("{\"a\xff\":1}", ""), "is not valid JSON at byte"},
      {SafetensorsBytes(good.substr(0, good.size() - 1), data), "is not valid JSON"},
      {SafetensorsBytes(R"({"a":1e999})", ""), "is not valid JSON"},
      {SafetensorsBytes(R"({"a":null})", ""), "tensor 'a': null is not allowed here"},
      {SafetensorsBytes(R"({"a":true})", ""), "tensor 'a': a boolean is not allowed here"},
      {SafetensorsBytes(R"({"a":[]})", ""), "tensor 'a': an array is not allowed here"},
      {SafetensorsBytes(R"({"a":"U8"})", ""), "tensor 'a': a string is not allowed here"},
      {SafetensorsBytes(R"({"__metadata__":3})", ""), "__metadata__: a number is not allowed"},
      {SafetensorsBytes(R"({"__metadata__":{"k":{}}})", ""), "__metadata__: an object is not"},
      {SafetensorsBytes(R"({"__metadata__":{},"__metadata__":{}})", ""),
       "__metadata__ occurs twice"},
      {SafetensorsBytes(good.substr(0, good.size() - 1) + "," + good.substr(1), data),
       "tensor 'a' occurs twice"},
      // The data of a file that was cut off, or that grew.
      {SafetensorsBytes(good, data.substr(1)),
       "tensor 'a': data_offsets end at 8, but the file "
       "holds 7 bytes of data: it is truncated"},
      {SafetensorsBytes(good, data + "?"), "the last 1 bytes belong to no tensor"},
      {SafetensorsBytes("{}", data), "the last 8 bytes belong to no tensor"},
  });
}

TEST(SafetensorsFileTest, RefusesMalformedTensors) {
  const std::string type = R"("dtype":"U8",)";
  const std::string offsets = R"(,"data_offsets":[0,8])";
  ExpectRefused({
      {OneTensor(R"("dtype":"F7","shape":[8])" + offsets), "tensor 'a': dtype: unknown dtype 'F7'"},
      {OneTensor(R"("dtype":"u8","shape":[8])" + offsets), "unknown dtype 'u8'"},
      {OneTensor(R"("dtype":8,"shape":[8])" + offsets), "tensor 'a': dtype: a number"},
      {OneTensor(R"("dtype":["U8"],"shape":[8])" + offsets), "tensor 'a': dtype: an array"},
      {OneTensor(R"("shape":[8])" + offsets), "tensor 'a': dtype is missing"},
      {OneTensor(R"("dtype":"U8")" + offsets), "tensor 'a': shape is missing"},
      {OneTensor(type + R"("shape":[8])"), "tensor 'a': data_offsets is missing"},
      {OneTensor(type + R"("shape":[8],"shape":[8])" + offsets), "shape occurs twice"},
      {OneTensor(type + R"("shape":[8],"strides":[1])" + offsets), "unknown field 'strides'"},
      {OneTensor(type + R"("shape":8)" + offsets), "tensor 'a': shape: a number"},
      {OneTensor(type + R"("shape":{})" + offsets), "tensor 'a': shape: an object"},
      {OneTensor(type + R"("shape":[[8]])" + offsets), "tensor 'a': shape: an array"},
      {OneTensor(type + R"("shape":["8"])" + offsets), "tensor 'a': shape: a string"},
      {OneTensor(type + R"("shape":[-8])" + offsets), "tensor 'a': shape: a negative number"},
      {OneTensor(type + R"("shape":[8.0])" + offsets), "shape: a number that is no 64-bit integer"},
      {OneTensor(type + R"("shape":[18446744073709551616])" + offsets), "is no 64-bit integer"},
      {OneTensor(type + R"("shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,8])" + offsets),
       "shape: has more than 16 numbers"},
      {OneTensor(type + R"("shape":[7])" + offsets), "hold 8 bytes, but U8 [7] takes 7"},
      {OneTensor(R"("dtype":"F32","shape":[8])" + offsets), "hold 8 bytes, but F32 [8] takes 32"},
      {OneTensor(R"("dtype":"F4","shape":[3])" + offsets), "F4 [3] has no size in bytes"},
      // Products that wrap around to a plausible size.
      {OneTensor(type + R"("shape":[4294967296,4294967296])" + offsets), "has no size in bytes"},
      {OneTensor(R"("dtype":"F64","shape":[2305843009213693953])" + offsets),
       "has no size in bytes"},
      {OneTensor(type + R"("shape":[8],"data_offsets":[])"), "is not a begin and an end"},
      {OneTensor(type + R"("shape":[8],"data_offsets":[8])"), "is not a begin and an end"},
      {OneTensor(type + R"("shape":[8],"data_offsets":[0,8,16])"), "has more than 2 numbers"},
      {OneTensor(type + R"("shape":[8],"data_offsets":[8,0])"), "begin at 8 and end before, at 0"},
      {OneTensor(type + R"("shape":[8],"data_offsets":[-8,0])"), "data_offsets: a negative number"},
      {OneTensor(type + R"("shape":[8],"data_offsets":[1,9])"), "data_offsets end at 9"},
      {OneTensor(type +
                 R"("shape":[8],"data_offsets":[18446744073709551600,18446744073709551608])"),
       "data_offsets end at 18446744073709551608"},
  });
}

TEST(SafetensorsFileTest, RefusesOverlapsAndHoles) {
  const auto two = [](const char* first, const char* second) {
    return SafetensorsBytes(
        absl::StrCat(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)", first,
                     R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)", second, "}}"),
        Pattern(1, 9));
  };
  ExpectRefused({
      {two("[0,4]", "[3,7]"), "tensor 'b' overlaps tensor 'a'"},
      {two("[3,7]", "[0,4]"), "tensor 'a' overlaps tensor 'b'"},
      {two("[0,4]", "[0,4]"), "overlaps tensor"},
      {two("[0,4]", "[5,9]"), "1 bytes before tensor 'b' belong to no tensor"},
      {two("[1,5]", "[5,9]"), "1 bytes before tensor 'a' belong to no tensor"},
      {two("[0,4]", "[4,8]"), "the last 1 bytes belong to no tensor"},
  });
}

TEST(SafetensorsFileTest, EscapesAndShortensNamesInMessages) {
  const std::string name(5000, 'n');
  ExpectRefused({
      {SafetensorsBytes("{\"" + name + "\":0}", ""), "tensor 'nnn"},
      {SafetensorsBytes("{\"a\\n\":0}", ""), "tensor 'a\\n'"},
  });
  const auto tensors = ParseSafetensorsHeader("{\"" + name + "\":0}", 9000, "f");
  EXPECT_LT(tensors.status().message().size(), 400u);
}

TEST(SafetensorsFileTest, SaysWhyAFileCannotBeOpened) {
  ScratchDirectory dir;
  EXPECT_THAT(OpenSafetensors(dir.path() + "/none.safetensors"), IsError(kNotFound, "none"));
  EXPECT_THAT(OpenSafetensors(dir.path()), IsError(kInvalid, "is not a regular file"));
  // A FIFO must be refused, not waited for.
  const std::string fifo = dir.path() + "/fifo.safetensors";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_THAT(OpenSafetensors(fifo), IsError(kInvalid, "is not a regular file"));
}

}  // namespace
}  // namespace engram::storage
