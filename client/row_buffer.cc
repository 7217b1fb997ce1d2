#include "client/row_buffer.h"

#include <cstring>
#include <utility>

namespace engram {

std::unique_ptr<RowBuffer::Memory> RowBuffer::Memory::Private(size_t bytes) {
  const size_t size = (bytes + shm::kPageBytes - 1) / shm::kPageBytes * shm::kPageBytes;
  auto* const own = static_cast<std::byte*>(std::aligned_alloc(shm::kPageBytes, size));
  if (own == nullptr) {
    return nullptr;
  }
  std::memset(own, 0, size);  // so that the pages are there
  return std::unique_ptr<Memory>(new Memory(own, size));
}

RowBuffer::RowBuffer(std::unique_ptr<Memory> memory) : memory_(std::move(memory)) {}
RowBuffer::RowBuffer(RowBuffer&&) noexcept = default;
RowBuffer& RowBuffer::operator=(RowBuffer&&) noexcept = default;
RowBuffer::~RowBuffer() = default;

absl::Span<std::byte> RowBuffer::bytes() const { return memory_->bytes(); }

bool RowBuffer::shareable() const { return memory_->shareable(); }

}  // namespace engram
