#include "storage/catalog/format_file.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/storage/cold/cold_testing.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

class FormatFileTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(parent_); }

  void Write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directory(dir_);
    std::ofstream(dir_ + "/" + name) << text;
  }
  std::string ReadFormat() const {
    std::ifstream file(dir_ + "/FORMAT");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  const std::string parent_ = TestDir();
  const std::string dir_ = parent_ + "/data";
};

// Data directories of this version are out there: never change it, raise the version instead.
constexpr char kVersion1[] = "{\"format\":\"engramd-data\",\"version\":1}\n";

TEST_F(FormatFileTest, ANewDirectoryGetsOne) {
  ASSERT_TRUE(CheckOrCreateFormat(dir_).ok());
  EXPECT_EQ(ReadFormat(), kVersion1);
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/FORMAT.tmp"));
  EXPECT_TRUE(CheckOrCreateFormat(dir_).ok());
  EXPECT_EQ(ReadFormat(), kVersion1);
}

TEST_F(FormatFileTest, Version1IsRead) {
  Write("FORMAT", kVersion1);
  Write("anything", "");
  EXPECT_TRUE(CheckOrCreateFormat(dir_).ok());
}

TEST_F(FormatFileTest, AnInterruptedCreationIsFinished) {
  Write("FORMAT.tmp", "{\"form");
  std::filesystem::create_directory(dir_ + "/lost+found");
  ASSERT_TRUE(CheckOrCreateFormat(dir_).ok());
  EXPECT_EQ(ReadFormat(), kVersion1);
}

TEST_F(FormatFileTest, ANewerVersionIsRefused) {
  Write("FORMAT", R"({"format": "engramd-data", "version": 2, "more": []})");
  EXPECT_THAT(CheckOrCreateFormat(dir_),
              IsError(kPrecondition,
                      "the data directory has format version 2, and this program knows 1 at most: "
                      "use the newer engramd that wrote it (" +
                          dir_ + "/FORMAT)"));
}

TEST_F(FormatFileTest, ADirectoryOfSomethingElseIsRefused) {
  Write("holiday.jpg", "beach");
  EXPECT_THAT(CheckOrCreateFormat(dir_), IsError(kPrecondition, "holds holiday.jpg but no FORMAT"));
  EXPECT_FALSE(std::filesystem::exists(dir_ + "/FORMAT"));
}

TEST_F(FormatFileTest, ADamagedFileIsDataLoss) {
  for (const char* text :
       {"", "{", "[]", "7", R"({"version": 1})", R"({"format": "engramd-data"})",
        R"({"format": "engramd-data", "version": "1"})", R"({"format": 3, "version": 1})",
        R"({"format": "engramd-data", "version": 1.5})"}) {
    Write("FORMAT", text);
    EXPECT_THAT(CheckOrCreateFormat(dir_), IsError(kDataLoss, "FORMAT is not a format file"))
        << text;
  }
  Write("FORMAT", R"({"format": "engramd-data", "version": 0})");
  EXPECT_THAT(CheckOrCreateFormat(dir_), IsError(kDataLoss, "names format version 0"));
}

TEST_F(FormatFileTest, ADirectoryThatCannotBeMadeIsNamed) {
  EXPECT_THAT(CheckOrCreateFormat(dir_ + "/deep/er"), IsError(kNotFound, dir_ + "/deep/er"));
  std::ofstream(parent_ + "/file") << "x";
  EXPECT_THAT(CheckOrCreateFormat(parent_ + "/file"), IsError(kPrecondition, parent_ + "/file"));
}

}  // namespace
}  // namespace engram::storage
