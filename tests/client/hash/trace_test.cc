#include "client/hash/trace.h"

#include <algorithm>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/hash/hash_testing.h"

namespace engram {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(TraceTest, ReadsTheExcerptUnderTestData) {
  auto trace = ReadTrace(TestData("prose_excerpt.u32.zst"), TestData("prose_excerpt.docs.txt"));
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ(trace->tokens.size(), 302400u);
  EXPECT_EQ(trace->documents(), 179u);
  EXPECT_EQ(trace->document(0).size(), 382u);
  EXPECT_EQ(trace->document_ends.back(), trace->tokens.size());
  // Every token is in the map that ships beside it.
  EXPECT_LT(*std::max_element(trace->tokens.begin(), trace->tokens.end()), 128815u);
}

TEST(TraceTest, DocumentsFollowOneAnother) {
  const std::string path = WriteTemp("t.u32", U32Bytes({1, 2, 3, 4, 5, 6}));
  for (const char* docs : {"2\n0\n1\n3\n", "2\n0\n1\n3"}) {
    auto trace = ReadTrace(path, WriteTemp("docs.txt", docs));
    ASSERT_TRUE(trace.ok()) << trace.status();
    ASSERT_EQ(trace->documents(), 4u);
    EXPECT_THAT(trace->document(0), ElementsAre(1, 2));
    EXPECT_THAT(trace->document(1), IsEmpty());
    EXPECT_THAT(trace->document(2), ElementsAre(3));
    EXPECT_THAT(trace->document(3), ElementsAre(4, 5, 6));
  }
}

TEST(TraceTest, WithoutCountsItIsOneDocument) {
  auto trace = ReadTrace(WriteTemp("t.u32.zst", Compress(U32Bytes({1, 2, 3}))));
  ASSERT_TRUE(trace.ok()) << trace.status();
  ASSERT_EQ(trace->documents(), 1u);
  EXPECT_THAT(trace->document(0), ElementsAre(1, 2, 3));
}

TEST(TraceTest, RefusesCountsThatDoNotFit) {
  const std::string path = WriteTemp("t.u32", U32Bytes({1, 2, 3}));
  struct {
    const char* docs;
    const char* message;
  } const bad[] = {
      {"1\n1\n", "the documents have 2 tokens together, but the trace has 3"},
      {"1\n3\n", ":2: the documents' tokens exceed the trace's 3"},
      {"1\n18446744073709551615\n", ":2: the documents' tokens exceed the trace's 3"},
      {"1\ntwo\n", ":2: \"two\" is no token count"},
      {"1\n-1\n3\n", ":2: \"-1\" is no token count"},
      {"1\n\n2\n", ":2: \"\" is no token count"},
      {"", ":1: \"\" is no token count"},
  };
  for (const auto& entry : bad) {
    const std::string docs = WriteTemp("docs.txt", entry.docs);
    const absl::Status status = ReadTrace(path, docs).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << entry.docs;
    EXPECT_THAT(std::string(status.message()), HasSubstr(docs));
    EXPECT_THAT(std::string(status.message()), HasSubstr(entry.message));
  }
}

TEST(TraceTest, RefusesTracesThatCannotBeRead) {
  const std::string empty = WriteTemp("empty.u32", "");
  EXPECT_EQ(ReadTrace(empty).status().message(), empty + " holds no tokens");
  EXPECT_EQ(ReadTrace("/nonexistent/t.u32").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReadTrace(WriteTemp("odd.u32", "123")).status().code(),
            absl::StatusCode::kInvalidArgument);
  const absl::Status docs =
      ReadTrace(WriteTemp("t.u32", U32Bytes({1})), "/nonexistent/docs.txt").status();
  EXPECT_EQ(docs.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(docs.message()), HasSubstr("/nonexistent/docs.txt"));
}

}  // namespace
}  // namespace engram
