// Whether the kernel lets us use io_uring, and what to tell the operator if not.
#include <array>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "storage/io/uring_engine.h"

namespace engram::storage {
namespace {

// Sends one request through the ring: io_uring_setup may be allowed where io_uring_enter is not.
int TryRing(io_uring* ring) {
  io_uring_prep_nop(io_uring_get_sqe(ring));
  const int submitted = io_uring_submit_and_wait(ring, 1);
  if (submitted < 0) {
    return -submitted;
  }
  io_uring_probe* probe = io_uring_get_probe_ring(ring);
  if (probe == nullptr) {
    return EINVAL;
  }
  const bool can_read = io_uring_opcode_supported(probe, IORING_OP_READ) != 0;
  io_uring_free_probe(probe);
  return can_read && (ring->features & IORING_FEAT_NODROP) != 0 ? 0 : EINVAL;
}

}  // namespace

int ProbeRing(const RingSetup& setup, unsigned* flags) {
  constexpr unsigned kProbeEntries = 4;
  constexpr std::array<unsigned, 3> kFlagSets = {
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_COOP_TASKRUN, 0};
  int error = EINVAL;
  for (const unsigned candidate : kFlagSets) {
    io_uring ring = {};
    error = -setup(kProbeEntries, &ring, candidate);
    if (error == EINVAL) {
      continue;
    }
    if (error == 0) {
      error = TryRing(&ring);
      io_uring_queue_exit(&ring);
    }
    *flags = candidate;
    break;
  }
  return error;
}

std::string RefusalSentence(int error) {
  switch (error) {
    case EPERM:
    case EACCES:
      return "io_uring is forbidden here: allow the io_uring_* system calls in the seccomp profile "
             "of the container, and set the sysctl kernel.io_uring_disabled to 0";
    case ENOSYS:
      return "this kernel has no io_uring: it takes Linux 5.6 or later, built with "
             "CONFIG_IO_URING";
    case ENOMEM:
      return "no memory may be locked for an io_uring: raise RLIMIT_MEMLOCK (ulimit -l, or "
             "LimitMEMLOCK= of the systemd unit)";
    case EINVAL:
      return "this kernel's io_uring lacks operations that reads need: it takes Linux 5.6 or "
             "later";
    default:
      return absl::StrCat("io_uring could not be set up: ", std::strerror(error));
  }
}

}  // namespace engram::storage
