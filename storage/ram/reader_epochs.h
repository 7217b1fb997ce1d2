// Lets readers use memory without a lock while a writer waits for them before reusing it.
#ifndef ENGRAM_STORAGE_RAM_READER_EPOCHS_H_
#define ENGRAM_STORAGE_RAM_READER_EPOCHS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace engram::storage {

// Epoch-based reclamation. A reader is counted in the epoch in which it entered. The writer may
// advance from epoch e to e + 1 only when no reader of e - 1 is left, so readers are never more
// than one epoch behind. Memory that the writer made unreachable in epoch r can therefore be seen
// by nobody once the epoch is r + 2.
//
// Readers wait for nobody and never stop the writer: TryAdvance just says no. One writer at a time;
// any number of readers.
class ReaderEpochs {
 public:
  // A reader's stay. Cheap: two uncontended atomic additions. May be held for a batch.
  class Guard {
   public:
    explicit Guard(std::atomic<uint64_t>* count) : count_(count) {}
    ~Guard();
    Guard(Guard&& other) noexcept : count_(std::exchange(other.count_, nullptr)) {}
    Guard& operator=(Guard&&) = delete;

   private:
    std::atomic<uint64_t>* count_;  // null once moved from
  };

  [[nodiscard]] Guard Enter();

  // Writer only. Returns whether the epoch went up by one.
  bool TryAdvance();

  uint64_t epoch() const { return epoch_.load(std::memory_order_seq_cst); }

 private:
  static constexpr size_t kShards = 16;
  // Two cache lines apart: processors fetch lines in pairs.
  struct alignas(128) Shard {
    std::array<std::atomic<uint64_t>, 2> readers{};  // by the lowest bit of their epoch
  };

  std::atomic<uint64_t> epoch_{2};
  std::array<Shard, kShards> shards_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_READER_EPOCHS_H_
