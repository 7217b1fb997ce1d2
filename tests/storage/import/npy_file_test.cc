#include "storage/import/npy_file.h"

#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

TEST(NpyFileTest, ReadsAllVersions) {
  ScratchDirectory dir;
  for (int version : {1, 2, 3}) {
    const std::string bytes = NpyBytes(version, NpyHeader("<f4", "(3, 2)"), Pattern(1, 24));
    const auto tensor = OpenNpy(dir.Write("a.npy", bytes));
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->type, TensorType::kF32);
    EXPECT_EQ(tensor->shape, (std::vector<uint64_t>{3, 2}));
    EXPECT_EQ(bytes.substr(tensor->offset, tensor->bytes), Pattern(1, 24));
  }
}

TEST(NpyFileTest, TakesAnyWayToWriteTheDict) {
  for (const char* header :
       {"{'descr':'<f2','fortran_order':False,'shape':(3,2)}",
        "{ \"shape\" : (3, 2,) , \"descr\" : \"<f2\" , \"fortran_order\" : False , } \n"}) {
    const auto tensor = ParseNpyHeader(header, "f");
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->TypeAndShape(), "F16 [3, 2]");
    EXPECT_EQ(tensor->bytes, 12u);
  }
}

TEST(NpyFileTest, KnowsTypes) {
  const std::vector<std::tuple<const char*, const char*, const char*>> cases = {
      {"<f4", "(5, 4)", "F32 [5, 4]"},       {"<f2", "(5, 4)", "F16 [5, 4]"},
      {"<f8", "(5, 4)", "F64 [5, 4]"},       {"|i1", "(5, 4)", "I8 [5, 4]"},
      {"|u1", "(5, 4)", "U8 [5, 4]"},        {"|b1", "(5, 4)", "BOOL [5, 4]"},
      {"<u2", "(5, 4)", "U16 [5, 4]"},       {"<i8", "(5, 4)", "I64 [5, 4]"},
      {"<c8", "(5, 4)", "C64 [5, 4]"},       {"|V264", "(5,)", "U8 [5, 264]"},
      {"|V1", "(5, 160)", "U8 [5, 160]"},    {"<V2", "(5, 160)", "U8 [5, 320]"},
      {"|V3", "(2, 3, 4)", "U8 [2, 3, 12]"}, {"|u1", "()", "U8 []"},
  };
  for (const auto& [descr, shape, expected] : cases) {
    const auto tensor = ParseNpyHeader(NpyHeader(descr, shape), "f");
    ASSERT_TRUE(tensor.ok()) << tensor.status();
    EXPECT_EQ(tensor->TypeAndShape(), expected);
  }
}

TEST(NpyFileTest, RefusesMalformedHeaders) {
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"", "'{' expected at byte 0"},
      {"{}", "descr, fortran_order or shape is missing"},
      {"{'descr': '<f4'}", "descr, fortran_order or shape is missing"},
      {"{'descr': '<f4', 'descr': '<f4'}", "second 'descr'"},
      {"{'descr': '<f4', 'order': 1}", "unknown key 'order'"},
      {"{'descr' '<f4'}", "':' expected"},
      {"{descr: '<f4'}", "string expected"},
      {"{'descr: <f4}", "string without an end"},
      {"{'descr': '<\\x66'}", "string with a backslash"},
      {"{'descr': 4}", "string expected"},
      {"{'descr': [('a', '<f4')]}", "structured dtypes cannot be imported"},
      {"{'descr': '<f4' 'shape': ()}", "',' or '}' expected"},
      {"{'fortran_order': 0}", "True or False expected"},
      {"{'fortran_order': Falsehood}", "',' or '}' expected"},
      {"{'shape': 5}", "'(' expected"},
      {"{'shape': (5)}", "tuple expected"},
      {"{'shape': (5 3)}", "',' or ')' expected"},
      {"{'shape': (,)}", "number expected"},
      {"{'shape': (-5, 3)}", "number expected"},
      {"{'shape': (5L, 3)}", "',' or ')' expected"},
      {"{'shape': (18446744073709551616, 3)}", "number too large"},
      {"{'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)}", "too many dimensions"},
      {"{'shape': (5", "',' or ')' expected"},
      {"{'shape': __import__('os')}", "'(' expected"},
      {NpyHeader("<f4", "(5, 3)") + "x", "the end expected"},
      {NpyHeader(">f4", "(5, 3)"), "big-endian dtype '>f4'"},
      {NpyHeader("=f4", "(5, 3)"), "unsupported dtype '=f4'"},
      {NpyHeader("<f16", "(5, 3)"), "unsupported dtype '<f16'"},
      {NpyHeader("|O", "(5, 3)"), "unsupported dtype '|O'"},
      {NpyHeader("|S4", "(5, 3)"), "unsupported dtype '|S4'"},
      {NpyHeader("|V0", "(5, 3)"), "unsupported dtype '|V0'"},
      {NpyHeader("|V-4", "(5, 3)"), "unsupported dtype '|V-4'"},
      {NpyHeader("", "(5, 3)"), "unsupported dtype ''"},
      {NpyHeader("<f4", "(4294967296, 4294967296)"), "is too large"},
      {NpyHeader("|V16", "(2, 4611686018427387904)"), "shape is too large"},
      {"{'descr': '<f4', 'fortran_order': True, 'shape': (5, 3)}", "only C order can be imported"},
  };
  for (const auto& [header, message] : cases) {
    const auto tensor = ParseNpyHeader(header, "dir/a.npy");
    EXPECT_THAT(tensor, IsError(kInvalid, message)) << header;
    EXPECT_THAT(tensor, IsError(kInvalid, "dir/a.npy: "));
  }
}

TEST(NpyFileTest, RefusesMalformedFiles) {
  ScratchDirectory dir;
  const std::string header = NpyHeader("<f4", "(3, 2)");
  const std::string good = NpyBytes(1, header, Pattern(1, 24));
  std::string no_magic = good;
  no_magic[0] = 'N';
  std::string version_4 = good;
  version_4[6] = 4;
  std::string version_1_1 = good;
  version_1_1[7] = 1;
  const std::vector<std::pair<std::string, const char*>> cases = {
      {"", "has 0 bytes, too few"},
      {good.substr(0, 11), "has 11 bytes, too few"},
      {no_magic, "does not begin with the magic"},
      {version_4, ".npy version 4.0"},
      {version_1_1, ".npy version 1.1"},
      {good.substr(0, 40), "truncated: header of"},
      {good.substr(0, good.size() - 1),
       "truncated: holds 23 bytes of data, but F32 [3, 2] takes 24"},
      {good + "?", "holds 25 bytes of data, but F32 [3, 2] takes 24"},
      {"\x93NUMPY" + std::string("\x02\x00\xff\xff\xff\xff", 6) + header,
       "header of 4294967295 bytes"},
  };
  for (const auto& [bytes, message] : cases) {
    EXPECT_THAT(OpenNpy(dir.Write("a.npy", bytes)), IsError(kInvalid, message));
  }
  EXPECT_THAT(OpenNpy(dir.path() + "/none.npy"), IsError(kNotFound, "none.npy"));
}

}  // namespace
}  // namespace engram::storage
