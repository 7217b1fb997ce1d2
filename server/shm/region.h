// A client's memory, as the daemon sees it.
#ifndef ENGRAM_SERVER_SHM_REGION_H_
#define ENGRAM_SERVER_SHM_REGION_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "proto/shared_memory.h"

namespace engram::server {

// Maps the region of one attachment: see proto/shared_memory.h. The client may write any of it at
// any time, so that whatever is read from it is read once. Movable.
class Region {
 public:
  // Maps a memfd, which stays the caller's.
  //   INVALID_ARGUMENT    it is no memfd, lacks a seal, is not writable, or has not the size that
  //                       `request` says; or the request is malformed
  //   RESOURCE_EXHAUSTED  it cannot be mapped
  static absl::StatusOr<Region> Map(int memfd, const shm::AttachRequest& request);

  Region(Region&& other) noexcept;
  Region& operator=(Region&&) = delete;
  ~Region();

  uint64_t bytes() const { return bytes_; }
  uint32_t slots() const { return slots_; }
  shm::Control& control() const { return *reinterpret_cast<shm::Control*>(base_); }
  shm::Slot& slot(uint32_t index) const {
    return *reinterpret_cast<shm::Slot*>(base_ + shm::SlotOffset(index));
  }

  // `bytes` bytes at `offset`, if all of them lie in the data.
  //   INVALID_ARGUMENT
  absl::StatusOr<absl::Span<std::byte>> Data(uint64_t offset, uint64_t bytes) const;

 private:
  Region(std::byte* base, const shm::AttachRequest& request)
      : base_(base), bytes_(request.region_bytes), slots_(request.slots) {}

  std::byte* base_;
  const uint64_t bytes_;
  const uint32_t slots_;
};

}  // namespace engram::server

#endif  // ENGRAM_SERVER_SHM_REGION_H_
