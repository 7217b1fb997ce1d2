#include "server/shm/region.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace engram::server {
namespace {

absl::Status CheckRequest(const shm::AttachRequest& request) {
  if (request.slots == 0 || request.slots > shm::kMaxSlots || !std::has_single_bit(request.slots)) {
    return absl::InvalidArgumentError(
        absl::StrCat(request.slots, " slots are no power of two of at most ", shm::kMaxSlots));
  }
  if (request.region_bytes % shm::kPageBytes != 0 ||
      request.region_bytes <= shm::DataOffset(request.slots)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a region of ", request.region_bytes, " bytes is not made of pages of ", shm::kPageBytes,
        ", or has no room for data beside ", request.slots, " slots"));
  }
  return absl::OkStatus();
}

// A mapping of what can shrink, or lacks memory, may end the process that touches it.
absl::Status CheckMemfd(int memfd, uint64_t bytes) {
  const int seals = fcntl(memfd, F_GET_SEALS);
  if (seals < 0) {
    return absl::InvalidArgumentError("the descriptor is not that of a memfd");
  }
  constexpr int kNeeded = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if ((seals & kNeeded) != kNeeded) {
    return absl::InvalidArgumentError(
        "the memfd must be sealed against shrinking, growing and further sealing");
  }
  struct statfs system = {};
  if (fstatfs(memfd, &system) != 0 || system.f_type != TMPFS_MAGIC) {
    return absl::InvalidArgumentError("the memfd must have pages of the usual size");
  }
  struct stat info = {};
  if (fstat(memfd, &info) != 0 || static_cast<uint64_t>(info.st_size) != bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the memfd has ", info.st_size, " bytes, and the request says ", bytes));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Region> Region::Map(int memfd, const shm::AttachRequest& request) {
  if (absl::Status status = CheckRequest(request); !status.ok()) {
    return status;
  }
  if (absl::Status status = CheckMemfd(memfd, request.region_bytes); !status.ok()) {
    return status;
  }
  void* const base =
      mmap(nullptr, request.region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
  if (base == MAP_FAILED) {
    return errno == EPERM || errno == EACCES
               ? absl::InvalidArgumentError("the memfd does not let the daemon write")
               : absl::ResourceExhaustedError(absl::StrCat("a region of ", request.region_bytes,
                                                           " bytes: ", std::strerror(errno)));
  }
  return Region(static_cast<std::byte*>(base), request);
}

Region::Region(Region&& other) noexcept
    : base_(std::exchange(other.base_, nullptr)), bytes_(other.bytes_), slots_(other.slots_) {}

Region::~Region() {
  if (base_ != nullptr) {
    munmap(base_, bytes_);
  }
}

absl::StatusOr<absl::Span<std::byte>> Region::Data(uint64_t offset, uint64_t bytes) const {
  if (offset < shm::DataOffset(slots_) || offset > bytes_ || bytes > bytes_ - offset) {
    return absl::InvalidArgumentError(absl::StrCat(bytes, " bytes at offset ", offset,
                                                   " are not in the data of a region of ", bytes_));
  }
  return absl::MakeSpan(base_ + offset, bytes);
}

}  // namespace engram::server
