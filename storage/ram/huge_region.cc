#include "storage/ram/huge_region.h"

#include <sys/mman.h>

#include <utility>

namespace engram::storage {
namespace {

uint64_t RoundUp(uint64_t bytes, uint64_t unit) { return (bytes + unit - 1) / unit * unit; }

// Addresses without memory: PROT_NONE is not counted as committed, nor usable before it is charged.
void* MapAddresses(void* at, uint64_t bytes, int more_flags) {
  void* mapping =
      mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | more_flags, -1, 0);
  if (mapping == MAP_FAILED) return mapping;
  // Advice only: a kernel without either feature serves small pages, or larger dumps.
  madvise(mapping, bytes, MADV_HUGEPAGE);
  madvise(mapping, bytes, MADV_DONTDUMP);
  return mapping;
}

}  // namespace

HugeRegion::HugeRegion(std::shared_ptr<ByteBudget> budget, uint64_t max_bytes)
    : budget_(std::move(budget)) {
  if (max_bytes == 0) return;
  max_bytes = BytesTaken(max_bytes);
  const uint64_t mapping_bytes = max_bytes + kHugePageBytes;
  void* mapping = MapAddresses(nullptr, mapping_bytes, 0);
  if (mapping == MAP_FAILED) return;
  max_bytes_ = max_bytes;
  mapping_ = mapping;
  mapping_bytes_ = mapping_bytes;
  const uintptr_t start = reinterpret_cast<uintptr_t>(mapping);
  data_ = static_cast<std::byte*>(mapping) + (RoundUp(start, kHugePageBytes) - start);
}

HugeRegion::~HugeRegion() {
  if (mapping_ == nullptr) return;
  munmap(mapping_, mapping_bytes_);
  budget_->Release(bytes_);
}

uint64_t HugeRegion::BytesTaken(uint64_t bytes) { return RoundUp(bytes, kSmallPageBytes); }

bool HugeRegion::GrowTo(uint64_t bytes, uint64_t headroom) {
  if (bytes > max_bytes_) return false;
  bytes = BytesTaken(bytes);
  if (bytes <= bytes_) return true;
  const uint64_t more = bytes - bytes_;
  if (!budget_->TryReserve(more, headroom)) return false;
  if (mprotect(data_ + bytes_, more, PROT_READ | PROT_WRITE) != 0) {
    budget_->Release(more);
    return false;
  }
  bytes_ = bytes;
  return true;
}

void HugeRegion::ShrinkTo(uint64_t bytes) {
  bytes = BytesTaken(bytes);
  if (bytes >= bytes_) return;
  const uint64_t less = bytes_ - bytes;
  // A new mapping in place of the old one frees the pages even where memory is locked.
  if (MapAddresses(data_ + bytes, less, MAP_FIXED) == MAP_FAILED) return;
  bytes_ = bytes;
  budget_->Release(less);
}

}  // namespace engram::storage
