// The pread engine under a pread that misbehaves, and what a read call's result means.
#include "storage/io/pread_engine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "storage/io/read_progress.h"
#include "tests/storage/io/io_testing.h"

namespace engram::storage {
namespace {

constexpr size_t kFileBytes = 64 * 4096;

// Reads the whole file in one request through `pread`.
ReadRequest ReadThrough(PreadFunction pread, const AlignedBytes& buffer, const std::string& name) {
  const auto file = OpenTestFile(WriteTestFile(name, kFileBytes), /*direct=*/false);
  const auto engine = NewPreadEngine({.pread_threads = 2}, "because", std::move(pread));
  EXPECT_EQ(engine->fallback_reason(), "because");
  const auto queue = engine->NewQueue();
  ReadRequest request = {.fd = file->fd(), .length = kFileBytes, .buffer = buffer.get()};
  queue->Submit(&request);
  queue->Await(absl::MakeSpan(&request, 1));
  return request;
}

TEST(PreadEngineTest, ContinuesShortAndInterruptedReads) {
  std::atomic<int> calls = 0;
  const auto pread = [&calls](int fd, void* buffer, size_t length, off_t offset) -> ssize_t {
    switch (calls++ % 4) {
      case 0:
        errno = EINTR;
        return -1;
      case 1:
        errno = EAGAIN;
        return -1;
      default:
        return ::pread(fd, buffer, std::min<size_t>(length, 1000), offset);
    }
  };
  const AlignedBytes buffer = NewAlignedBytes(kFileBytes);
  const ReadRequest request = ReadThrough(pread, buffer, "short");
  EXPECT_EQ(request.error, 0);
  EXPECT_EQ(request.bytes_read, kFileBytes);
  EXPECT_EQ(CountWrongBytes(buffer.get(), 0, kFileBytes), 0U);
}

TEST(PreadEngineTest, ReportsAnErrorAfterSomeBytes) {
  std::atomic<int> calls = 0;
  const auto pread = [&calls](int fd, void* buffer, size_t, off_t offset) -> ssize_t {
    if (calls++ == 0) {
      return ::pread(fd, buffer, 4096, offset);
    }
    errno = EIO;
    return -1;
  };
  const AlignedBytes buffer = NewAlignedBytes(kFileBytes);
  const ReadRequest request = ReadThrough(pread, buffer, "error");
  EXPECT_TRUE(request.done);
  EXPECT_EQ(request.error, EIO);
}

struct Step {
  const char* name;
  uint64_t offset;
  size_t bytes_read;  // before
  int64_t result;
  bool done;
  int error;
  size_t bytes_read_after;
};

class AdvanceReadTest : public testing::TestWithParam<Step> {};

TEST_P(AdvanceReadTest, TakesTheResult) {
  const Step& step = GetParam();
  ReadRequest request = {.offset = step.offset, .length = 8192, .bytes_read = step.bytes_read};
  EXPECT_EQ(AdvanceRead(step.result, &request), step.done);
  EXPECT_EQ(request.done, step.done);
  EXPECT_EQ(request.error, step.error);
  EXPECT_EQ(request.bytes_read, step.bytes_read_after);
}

INSTANTIATE_TEST_SUITE_P(Results, AdvanceReadTest,
                         testing::Values(Step{"Whole", 0, 0, 8192, true, 0, 8192},
                                         Step{"Short", 0, 0, 4096, false, 0, 4096},
                                         Step{"Rest", 0, 4096, 4096, true, 0, 8192},
                                         Step{"EndOfFile", 0, 100, 0, true, 0, 100},
                                         Step{"Interrupted", 0, 0, -EINTR, false, 0, 0},
                                         Step{"Again", 0, 4096, -EAGAIN, false, 0, 4096},
                                         Step{"Failed", 0, 0, -EIO, true, EIO, 0},
                                         Step{"DirectEndOfFile", 4096, 100, -EINVAL, true, 0, 100},
                                         Step{"Refused", 4096, 0, -EINVAL, true, EINVAL, 0},
                                         Step{"RefusedAligned", 4096, 4096, -EINVAL, true, EINVAL,
                                              4096}),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace engram::storage
