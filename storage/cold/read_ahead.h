// Reads that a thread has started ahead of RocksDB, which then finds them in memory.
#ifndef ENGRAM_STORAGE_COLD_READ_AHEAD_H_
#define ENGRAM_STORAGE_COLD_READ_AHEAD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "storage/io/read_engine.h"
#include "storage/io/readable_file.h"

namespace engram::storage {

// RocksDB's MultiGet reads at most 32 blocks of one file at a time and waits for them. A ReadAhead
// keeps a whole window of reads in flight, of any files; MultiGet on the same thread is then
// answered from the window (DirectFileSystem asks Current()). It is a hint only: what RocksDB does
// not find here it reads.
//
// First in, first out. Belongs to the thread that made it, and is that thread's current one while
// it lives; there is at most one.
class ReadAhead {
 public:
  // Reads of up to `read_bytes` each, a multiple of kDirectAlignment; as many in flight as
  // `max_reads` and the window's memory allow.
  ReadAhead(ReadQueue* queue, size_t read_bytes, int max_reads);
  // Waits for the reads in flight.
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

  // The calling thread's, or null.
  static ReadAhead* Current();

  bool full() const { return size_ == capacity_; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

  // Starts a read of read_bytes at `offset`, or with a null file takes a place in the window
  // without a read. Not when full.
  void Push(std::shared_ptr<const ReadableFile> file, uint64_t offset);

  // Waits for the oldest reads, `max_count` at most, and returns how many they are: 0 if empty.
  size_t AwaitOldest(size_t max_count);

  // Gives the `count` oldest places back, all of which were awaited.
  void PopOldest(size_t count);

  // Lets Find miss the `index`-th oldest from now on.
  void ForgetOldest(size_t index);

  // The awaited read that holds [offset, offset + length) of `file`, or null.
  const ReadRequest* Find(const ReadableFile* file, uint64_t offset, size_t length);

  // RocksDB read past the window.
  void CountUnpredicted(size_t bytes) {
    ++unpredicted_;
    bytes_read_ += bytes;
  }

  uint64_t reads() const { return predicted_ + unpredicted_; }
  uint64_t unpredicted() const { return unpredicted_; }
  uint64_t bytes_read() const { return bytes_read_; }

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
  size_t next_find_ = 0;
  uint64_t predicted_ = 0;
  uint64_t unpredicted_ = 0;
  uint64_t bytes_read_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_COLD_READ_AHEAD_H_
