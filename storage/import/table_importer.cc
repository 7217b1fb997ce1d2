#include "storage/import/table_importer.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "storage/row_digest.h"

namespace engram::storage {
namespace {

constexpr absl::Duration kProgressInterval = absl::Milliseconds(250);

// The state that the threads of one import share. Segments are read and written in parallel; the
// digest takes them in order, which costs little: hashing is ten times faster than writing.
class SegmentPipeline {
 public:
  SegmentPipeline(const RowSource& source, ColdTableWriter* writer)
      : source_(source), writer_(writer) {}

  // Takes segments until none is left, or one failed.
  void Work() {
    std::vector<std::byte> rows;
    while (true) {
      const uint64_t segment = next_segment_.fetch_add(1);
      if (segment >= writer_->segment_count()) {
        break;
      }
      if (absl::Status status = CopySegment(segment, &rows); !status.ok()) {
        Fail(status);
        break;
      }
    }
    absl::MutexLock lock(&mutex_);
    ++workers_done_;
  }

  void Fail(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    if (status_.ok()) {
      status_ = status;
    }
  }

  // Waits until all `workers` are done, at most for `timeout`.
  bool AwaitDone(int workers, absl::Duration timeout) {
    const auto done = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return workers_done_ == workers; };
    absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&done), timeout);
  }

  uint64_t rows_done() const { return rows_done_.load(std::memory_order_relaxed); }

  absl::StatusOr<Digest> Result() {
    absl::MutexLock lock(&mutex_);
    if (!status_.ok()) {
      return status_;
    }
    return digest_.Finish();
  }

 private:
  absl::Status CopySegment(uint64_t segment, std::vector<std::byte>* rows) {
    const PageLayout& layout = writer_->layout();
    const uint64_t segment_rows = writer_->pages_per_segment() * layout.rows_per_page;
    const uint64_t first = segment * segment_rows;
    const uint64_t count = std::min(segment_rows, layout.rows - first);
    rows->resize(count * layout.row_bytes);
    if (absl::Status status = source_.ReadRows(first, count, absl::MakeSpan(*rows)); !status.ok()) {
      return status;
    }
    if (absl::Status status = Hash(segment, *rows); !status.ok()) {
      return status;
    }
    if (absl::Status status = writer_->WriteSegment(segment, *rows); !status.ok()) {
      return status;
    }
    rows_done_.fetch_add(count, std::memory_order_relaxed);
    return absl::OkStatus();
  }

  // Waits for the segment's turn. Segments are taken in order, so the one before is always under
  // way, or has failed.
  absl::Status Hash(uint64_t segment, absl::Span<const std::byte> rows) {
    const auto turn = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return hashed_segments_ == segment || !status_.ok();
    };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&turn));
    if (!status_.ok()) {
      return status_;
    }
    digest_.Update(rows);
    ++hashed_segments_;
    return absl::OkStatus();
  }

  const RowSource& source_;
  ColdTableWriter* const writer_;
  std::atomic<uint64_t> next_segment_{0};
  std::atomic<uint64_t> rows_done_{0};

  absl::Mutex mutex_;
  RowDigest digest_ ABSL_GUARDED_BY(mutex_);
  uint64_t hashed_segments_ ABSL_GUARDED_BY(mutex_) = 0;
  int workers_done_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

int DefaultImportThreads() {
  return std::clamp(2 * static_cast<int>(std::thread::hardware_concurrency()), 2, 8);
}

absl::StatusOr<Digest> ImportRows(const RowSource& source, ColdTableWriter* writer, int threads,
                                  const std::function<bool(uint64_t rows_done)>& progress) {
  SegmentPipeline pipeline(source, writer);
  std::vector<std::jthread> workers;
  for (int i = 0; i < threads; ++i) {
    workers.emplace_back([&pipeline] { pipeline.Work(); });
  }
  while (!pipeline.AwaitDone(threads, kProgressInterval)) {
    if (!progress(pipeline.rows_done())) {
      pipeline.Fail(absl::CancelledError("import cancelled"));
    }
  }
  return pipeline.Result();
}

}  // namespace engram::storage
