// The memory that a client shares with the daemon.
#ifndef ENGRAM_CLIENT_SHM_SHARED_HEAP_H_
#define ENGRAM_CLIENT_SHM_SHARED_HEAP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "proto/shared_memory.h"

namespace engram {

// A region of proto/shared_memory.h, whose data is handed out in blocks of whole pages.
// Thread-safe.
class SharedHeap : public std::enable_shared_from_this<SharedHeap> {
 public:
  // Memory of the heap, given back on destruction. Keeps the heap alive.
  class Block {
   public:
    Block() = default;
    Block(Block&& other) noexcept { swap(other); }
    Block& operator=(Block&& other) noexcept {
      swap(other);
      return *this;
    }
    ~Block();

    bool empty() const { return heap_ == nullptr; }
    std::byte* data() const;
    uint64_t offset() const { return offset_; }
    uint64_t pages() const { return pages_; }

   private:
    friend class SharedHeap;
    void swap(Block& other) noexcept {
      std::swap(heap_, other.heap_);
      std::swap(offset_, other.offset_);
      std::swap(pages_, other.pages_);
    }
    std::shared_ptr<SharedHeap> heap_;
    uint64_t offset_ = 0;
    uint64_t pages_ = 0;
  };

  // Makes a region of `bytes` bytes or somewhat more, and seals it.
  //   RESOURCE_EXHAUSTED  no memory or descriptor is to be had
  static absl::StatusOr<std::shared_ptr<SharedHeap>> Create(uint64_t bytes, uint32_t slots);
  ~SharedHeap();

  int memfd() const { return memfd_; }
  uint64_t bytes() const { return bytes_; }
  uint32_t slots() const { return slots_; }
  shm::Control& control() const { return *reinterpret_cast<shm::Control*>(base_); }
  shm::Slot& slot(uint32_t index) const {
    return *reinterpret_cast<shm::Slot*>(base_ + shm::SlotOffset(index));
  }

  // Makes the rings empty, for a new attachment. No link may be using them.
  void ResetRings();

  // At least `bytes` bytes, page-aligned; empty if there is no such piece left.
  Block Allocate(size_t bytes);

  // Whether memory lies in this heap.
  bool Contains(absl::Span<const std::byte> memory) const {
    const auto begin = reinterpret_cast<uintptr_t>(memory.data());
    const auto base = reinterpret_cast<uintptr_t>(base_);
    return begin >= base && begin - base <= bytes_ && memory.size() <= bytes_ - (begin - base);
  }
  uint64_t OffsetOf(const std::byte* memory) const { return static_cast<uint64_t>(memory - base_); }

  // Says that a daemon that hangs may write to blocks which are in use, whenever it goes on.
  void Poison() { poisoned_.store(true, std::memory_order_relaxed); }
  bool poisoned() const { return poisoned_.load(std::memory_order_relaxed); }

 private:
  SharedHeap(int memfd, std::byte* base, uint64_t bytes, uint32_t slots);
  void Free(uint64_t offset, uint64_t pages);

  const int memfd_;
  std::byte* const base_;
  const uint64_t bytes_;
  const uint32_t slots_;
  std::atomic<bool> poisoned_{false};

  absl::Mutex mutex_;
  std::map<uint64_t, uint64_t> free_ ABSL_GUARDED_BY(mutex_);  // offset to pages, none adjacent
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_SHM_SHARED_HEAP_H_
