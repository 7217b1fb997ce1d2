// The page reads of one call that are in flight.
#ifndef ENGRAM_STORAGE_COLD_READ_AHEAD_H_
#define ENGRAM_STORAGE_COLD_READ_AHEAD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/io/read_engine.h"
#include "storage/io/readable_file.h"

namespace engram::storage {

// Keeps a window of reads in flight, of any files, that are taken in the order in which they were
// started. Belongs to the thread that made it; that thread has no other.
class ReadAhead {
 public:
  // Reads of up to `read_bytes` each, a multiple of kDirectAlignment; as many in flight as
  // `max_reads` and the window's memory allow.
  ReadAhead(ReadQueue* queue, size_t read_bytes, int max_reads);
  // Waits for the reads in flight.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  bool full() const { return size_ == capacity_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

  // Starts a read of read_bytes at `offset`, or with a null file takes a place in the window
  // without a read. Not when full.
  void Push(std::shared_ptr<const ReadableFile> file, uint64_t offset);

  // Waits for the oldest reads, `max_count` at most, and returns how many they are: 0 if empty.
  //   spin_until: sleeps only after that
  size_t AwaitOldest(size_t max_count, absl::Time spin_until = absl::InfinitePast());

  // Gives the `count` oldest places back, all of which were awaited.
  void PopOldest(size_t count);

  // What the `index`-th oldest read, which was awaited, has read: less than read_bytes if it failed
  // or the file ended. It lives until the place is given back.
  absl::Span<const std::byte> Oldest(size_t index) const;

  // Of all started so far.
  uint64_t reads() const { return reads_; }

 private:
  ReadQueue* const queue_;
  const size_t read_bytes_;
  const size_t capacity_;
  std::byte* const buffers_;           // [capacity x read_bytes], the thread's
  std::vector<ReadRequest> requests_;  // a ring of `capacity`, as is files_
  std::vector<std::shared_ptr<const ReadableFile>> files_;
  size_t oldest_ = 0;
  size_t size_ = 0;
  size_t awaited_ = 0;  // of the oldest
  uint64_t reads_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_READ_AHEAD_H_
