#include "client/shm/shared_heap.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace engram {
namespace {

constexpr uint64_t PagesOf(uint64_t bytes) {
  return (bytes + shm::kPageBytes - 1) / shm::kPageBytes;
}

absl::Status NoMemory(uint64_t bytes, absl::string_view call) {
  return absl::ResourceExhaustedError(
      absl::StrCat("no shared memory of ", bytes, " bytes: ", call, ": ", std::strerror(errno)));
}

}  // namespace

absl::StatusOr<std::shared_ptr<SharedHeap>> SharedHeap::Create(uint64_t bytes, uint32_t slots) {
  const uint64_t size =
      shm::DataOffset(slots) + std::max<uint64_t>(PagesOf(bytes), 1) * shm::kPageBytes;
  const int memfd = memfd_create("engram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memfd < 0) {
    return NoMemory(size, "memfd_create");
  }
  if (ftruncate(memfd, static_cast<off_t>(size)) != 0 ||
      fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    const absl::Status status = NoMemory(size, "ftruncate");
    close(memfd);
    return status;
  }
  // Pages that are touched for the first time cost more than rows: they are this process's own, and
  // had before anyone waits for them.
  void* const base =
      mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memfd, 0);
  if (base == MAP_FAILED) {
    const absl::Status status = NoMemory(size, "mmap");
    close(memfd);
    return status;
  }
  return std::shared_ptr<SharedHeap>(
      new SharedHeap(memfd, static_cast<std::byte*>(base), size, slots));
}

SharedHeap::SharedHeap(int memfd, std::byte* base, uint64_t bytes, uint32_t slots)
    : memfd_(memfd), base_(base), bytes_(bytes), slots_(slots) {
  const uint64_t data = shm::DataOffset(slots);
  free_[data] = (bytes - data) / shm::kPageBytes;
}

SharedHeap::~SharedHeap() {
  munmap(base_, bytes_);
  close(memfd_);
}

void SharedHeap::ResetRings() {
  for (shm::Ring* ring : {&control().submitted, &control().completed}) {
    ring->count.store(0);
    ring->asleep.store(0);
  }
}

SharedHeap::Block SharedHeap::Allocate(size_t bytes) {
  const uint64_t pages = std::max<uint64_t>(PagesOf(bytes), 1);
  absl::MutexLock lock(&mutex_);
  const auto found = std::find_if(free_.begin(), free_.end(),
                                  [&](const auto& piece) { return piece.second >= pages; });
  Block block;
  if (found == free_.end()) {
    return block;
  }
  // From the end of the piece, so that what is left keeps its place in the map.
  found->second -= pages;
  block.heap_ = shared_from_this();
  block.offset_ = found->first + found->second * shm::kPageBytes;
  block.pages_ = pages;
  if (found->second == 0) {
    free_.erase(found);
  }
  return block;
}

void SharedHeap::Free(uint64_t offset, uint64_t pages) {
  absl::MutexLock lock(&mutex_);
  const auto end_of = [](const auto& piece) {
    return piece->first + piece->second * shm::kPageBytes;
  };
  auto piece = free_.emplace(offset, pages).first;
  if (const auto next = std::next(piece); next != free_.end() && end_of(piece) == next->first) {
    piece->second += next->second;
    free_.erase(next);
  }
  if (piece != free_.begin()) {
    if (const auto before = std::prev(piece); end_of(before) == piece->first) {
      before->second += piece->second;
      free_.erase(piece);
    }
  }
}

SharedHeap::Block::~Block() {
  if (heap_ != nullptr) {
    heap_->Free(offset_, pages_);
  }
}

std::byte* SharedHeap::Block::data() const { return heap_->base_ + offset_; }

}  // namespace engram
