// What a RowBuffer holds.
#ifndef ENGRAM_CLIENT_ROW_BUFFER_H_
#define ENGRAM_CLIENT_ROW_BUFFER_H_

#include <cstddef>
#include <cstdlib>
#include <memory>

#include "absl/types/span.h"
#include "client/engram_client.h"
#include "client/shm/shared_heap.h"

namespace engram {

class RowBuffer::Memory {
 public:
  explicit Memory(SharedHeap::Block block)
      : block_(std::move(block)), bytes_(block_.data(), block_.pages() * shm::kPageBytes) {}

  // Memory of this process alone; null if there is none.
  static std::unique_ptr<Memory> Private(size_t bytes);

  absl::Span<std::byte> bytes() const { return bytes_; }
  bool shareable() const { return own_ == nullptr; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };

  Memory(std::byte* own, size_t bytes) : own_(own), bytes_(own, bytes) {}

  SharedHeap::Block block_;
  std::unique_ptr<std::byte, Free> own_;
  absl::Span<std::byte> bytes_;
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_ROW_BUFFER_H_
