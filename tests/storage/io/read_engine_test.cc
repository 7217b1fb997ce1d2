// Every engine reads the same bytes and reports the same errors.
#include "storage/io/read_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <random>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "tests/storage/io/io_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;

constexpr size_t kFileBytes = 300 * 4096 + 1234;
constexpr int kDepth = 16;

class ReadEngineTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    auto engine = NewReadEngine({.kind = GetParam(), .queue_depth = kDepth, .pread_threads = 4});
    if (!engine.ok()) {
      GTEST_SKIP() << engine.status();
    }
    engine_ = *std::move(engine);
    queue_ = engine_->NewQueue();
  }

  static std::string Path() { return WriteTestFile("file", kFileBytes); }

  std::unique_ptr<ReadEngine> engine_;
  std::unique_ptr<ReadQueue> queue_;
};

// Reads `count` random aligned runs of blocks; returns wrong bytes and unexpected outcomes.
size_t ReadAtRandom(ReadQueue* queue, const ReadableFile& file, size_t count, uint32_t seed) {
  constexpr size_t kMaxBlocks = 4;
  const AlignedBytes buffer = NewAlignedBytes(count * kMaxBlocks * kDirectAlignment);
  std::mt19937 random(seed);
  std::vector<ReadRequest> requests(count);
  for (size_t i = 0; i < count; ++i) {
    requests[i] = {.fd = file.fd(),
                   .offset = random() % (kFileBytes / kDirectAlignment + 1) * kDirectAlignment,
                   .length = (1 + random() % kMaxBlocks) * kDirectAlignment,
                   .buffer = buffer.get() + i * kMaxBlocks * kDirectAlignment};
    queue->Submit(&requests[i]);
  }
  queue->Await(absl::MakeSpan(requests));
  size_t wrong = 0;
  for (const ReadRequest& request : requests) {
    const size_t expected = std::min<size_t>(request.length, kFileBytes - request.offset);
    wrong += !request.done || request.error != 0 || request.bytes_read != expected ? 1 : 0;
    wrong += CountWrongBytes(request.buffer, request.offset, request.bytes_read);
  }
  return wrong;
}

TEST_P(ReadEngineTest, TellsItsName) {
  EXPECT_EQ(engine_->name(), GetParam() == Kind::kPread ? "pread" : "io_uring");
  EXPECT_EQ(engine_->fallback_reason(), "");
  EXPECT_EQ(engine_->options().queue_depth, kDepth);
}

TEST_P(ReadEngineTest, ReadsManyMoreThanItsDepthDirect) {
  const auto file = OpenTestFile(Path(), /*direct=*/true);
  EXPECT_EQ(ReadAtRandom(queue_.get(), *file, 1000, 1), 0U);
}

TEST_P(ReadEngineTest, ReadsManyMoreThanItsDepthBuffered) {
  const auto file = OpenTestFile(Path(), /*direct=*/false);
  EXPECT_EQ(ReadAtRandom(queue_.get(), *file, 1000, 2), 0U);
}

TEST_P(ReadEngineTest, ReadsNoBytesPastTheEnd) {
  const auto file = OpenTestFile(Path(), /*direct=*/true);
  const AlignedBytes buffer = NewAlignedBytes(kDirectAlignment);
  ReadRequest request = {.fd = file->fd(),
                         .offset = 400 * kDirectAlignment,
                         .length = kDirectAlignment,
                         .buffer = buffer.get()};
  queue_->Submit(&request);
  queue_->Await(absl::MakeSpan(&request, 1));
  EXPECT_TRUE(request.done);
  EXPECT_EQ(request.error, 0);
  EXPECT_EQ(request.bytes_read, 0U);
}

TEST_P(ReadEngineTest, ReportsTheErrorOfTheOneReadThatFails) {
  const auto file = OpenTestFile(Path(), /*direct=*/true);
  const AlignedBytes buffer = NewAlignedBytes(3 * kDirectAlignment);
  std::array<ReadRequest, 3> requests;
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i] = {.fd = i == 1 ? -1 : file->fd(),
                   .offset = i * kDirectAlignment,
                   .length = kDirectAlignment,
                   .buffer = buffer.get() + i * kDirectAlignment};
    queue_->Submit(&requests[i]);
  }
  queue_->Await(absl::MakeSpan(requests));
  EXPECT_EQ(requests[0].error, 0);
  EXPECT_EQ(requests[1].error, EBADF);
  EXPECT_EQ(requests[2].error, 0);
  EXPECT_EQ(CountWrongBytes(requests[2].buffer, requests[2].offset, kDirectAlignment), 0U);
}

TEST_P(ReadEngineTest, AwaitsAnySubsetInAnyOrder) {
  const auto file = OpenTestFile(Path(), /*direct=*/true);
  const AlignedBytes buffer = NewAlignedBytes(kDepth * kDirectAlignment);
  std::array<ReadRequest, kDepth> requests;
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i] = {.fd = file->fd(),
                   .offset = i * kDirectAlignment,
                   .length = kDirectAlignment,
                   .buffer = buffer.get() + i * kDirectAlignment};
    queue_->Submit(&requests[i]);
  }
  queue_->Flush();
  for (size_t i = requests.size(); i-- > 0;) {
    queue_->Await(absl::MakeSpan(requests).subspan(i, 1));
    EXPECT_TRUE(requests[i].done);
    EXPECT_EQ(CountWrongBytes(requests[i].buffer, requests[i].offset, kDirectAlignment), 0U);
  }
  queue_->Await(absl::MakeSpan(requests));
  queue_->Await({});
}

TEST_P(ReadEngineTest, LooksOutForReadsUntilTheyAreDoneOrTheTimeIsUp) {
  if (GetParam() == Kind::kPread) GTEST_SKIP() << "it leaves that to Await";
  std::array<int, 2> pipe_ends;
  ASSERT_EQ(pipe(pipe_ends.data()), 0);
  const auto file = OpenTestFile(Path(), /*direct=*/true);
  const AlignedBytes buffer = NewAlignedBytes(2 * kDirectAlignment);
  std::array<ReadRequest, 2> requests = {
      ReadRequest{.fd = file->fd(), .length = kDirectAlignment, .buffer = buffer.get()},
      ReadRequest{.fd = pipe_ends[0], .length = 1, .buffer = buffer.get() + kDirectAlignment}};
  for (ReadRequest& request : requests) queue_->Submit(&request);
  queue_->SpinFor(absl::MakeSpan(requests).first(1), absl::InfiniteFuture());
  EXPECT_TRUE(requests[0].done);
  EXPECT_EQ(CountWrongBytes(buffer.get(), 0, kDirectAlignment), 0U);

  queue_->SpinFor(absl::MakeSpan(requests), absl::Now() + absl::Milliseconds(1));
  EXPECT_FALSE(requests[1].done);
  ASSERT_EQ(write(pipe_ends[1], "7", 1), 1);
  queue_->SpinFor(absl::MakeSpan(requests), absl::InfiniteFuture());
  EXPECT_TRUE(requests[1].done);
  EXPECT_EQ(buffer[kDirectAlignment], std::byte{'7'});
  for (const int end : pipe_ends) close(end);
}

TEST_P(ReadEngineTest, QueueWaitsForReadsInFlightWhenDestroyed) {
  const auto file = OpenTestFile(Path(), /*direct=*/true);
  const AlignedBytes buffer = NewAlignedBytes(kDepth * kDirectAlignment);
  std::array<ReadRequest, kDepth> requests;
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i] = {.fd = file->fd(),
                   .offset = i * kDirectAlignment,
                   .length = kDirectAlignment,
                   .buffer = buffer.get() + i * kDirectAlignment};
    queue_->Submit(&requests[i]);
  }
  queue_.reset();
  for (const ReadRequest& request : requests) {
    EXPECT_TRUE(request.done);
    EXPECT_EQ(request.bytes_read, kDirectAlignment);
  }
}

TEST_P(ReadEngineTest, QueueOutlivesItsEngine) {
  const auto file = OpenTestFile(Path(), /*direct=*/true);
  engine_.reset();
  EXPECT_EQ(ReadAtRandom(queue_.get(), *file, 100, 3), 0U);
}

TEST_P(ReadEngineTest, EveryThreadHasItsQueue) {
  const auto file = OpenTestFile(Path(), /*direct=*/true);
  std::array<size_t, 4> wrong = {};
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < wrong.size(); ++i) {
    threads.emplace_back([&, i] {
      const auto queue = engine_->NewQueue();
      wrong[i] = ReadAtRandom(queue.get(), *file, 500, i);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_THAT(wrong, testing::Each(0U));
}

INSTANTIATE_TEST_SUITE_P(Engines, ReadEngineTest, testing::Values(Kind::kIoUring, Kind::kPread),
                         [](const auto& param) {
                           return param.param == Kind::kPread ? "Pread" : "IoUring";
                         });

// A pipe ends a read short whenever its writer pauses.
TEST(UringQueueTest, ContinuesShortReads) {
  auto engine = NewReadEngine({.kind = Kind::kIoUring});
  if (!engine.ok()) {
    GTEST_SKIP() << engine.status();
  }
  constexpr size_t kPieces = 5;
  constexpr size_t kPieceBytes = 100;
  std::array<int, 2> ends = {};
  ASSERT_EQ(pipe(ends.data()), 0);
  std::array<std::byte, kPieces* kPieceBytes> received = {};
  std::thread writer([&] {
    std::array<std::byte, kPieceBytes> piece;
    for (size_t i = 0; i < kPieces; ++i) {
      for (size_t j = 0; j < kPieceBytes; ++j) {
        piece[j] = FileByte(i * kPieceBytes + j);
      }
      EXPECT_EQ(write(ends[1], piece.data(), piece.size()), static_cast<ssize_t>(kPieceBytes));
    }
    close(ends[1]);
  });
  const auto queue = (*engine)->NewQueue();
  ReadRequest request = {.fd = ends[0], .length = received.size(), .buffer = received.data()};
  queue->Submit(&request);
  queue->Await(absl::MakeSpan(&request, 1));
  writer.join();
  close(ends[0]);
  EXPECT_EQ(request.error, 0);
  EXPECT_EQ(request.bytes_read, received.size());
  EXPECT_EQ(CountWrongBytes(received.data(), 0, received.size()), 0U);
}

TEST(ReadEngineOptionsTest, OutOfRangeIsRefused) {
  for (const ReadEngineOptions& options :
       {ReadEngineOptions{.queue_depth = 0}, ReadEngineOptions{.queue_depth = 4097},
        ReadEngineOptions{.pread_threads = 0}, ReadEngineOptions{.pread_threads = 257}}) {
    EXPECT_EQ(NewReadEngine(options).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(NewReadEngine({.queue_depth = 4097}).status().message(),
              testing::HasSubstr("queue_depth is 4097, not in 1 to 4096"));
}

}  // namespace
}  // namespace engram::storage
