// A client of the daemon's shared memory, written by hand from proto/shared_memory.h alone. It
// keeps the rules unless a test breaks them.
#ifndef ENGRAM_TESTS_SERVER_SHM_RAW_CLIENT_H_
#define ENGRAM_TESTS_SERVER_SHM_RAW_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "proto/shared_memory.h"
#include "server/shm/attachments.h"
#include "server/unique_fd.h"
#include "storage/table_spec.h"
#include "storage/tiered_store.h"

namespace engram::server {

inline constexpr int kUsualSeals = 0x1 | 0x2 | 0x4;  // F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW

// A memfd of `bytes` bytes with these seals.
UniqueFd NewMemfd(uint64_t bytes, int seals = kUsualSeals);

shm::AttachRequest RequestFor(uint32_t slots, uint64_t region_bytes);

// Sends bytes, and passes descriptors with them. Returns false where the other end takes nothing.
bool SendWithFds(int connection, const void* bytes, size_t size, const std::vector<int>& fds,
                 int flags = 0);

// The daemon's answer; nothing if it closed the connection instead, or says nothing for long.
std::optional<shm::AttachReply> ReceiveReply(int connection);

// Code and message of an answer or an outcome.
template <typename Ended>
absl::Status StatusOf(const Ended& ended) {
  return {static_cast<absl::StatusCode>(ended.code),
          std::string(ended.message, ended.message_bytes)};
}

// Reads what is left on a connection. Returns whether the other end closed it, within a minute.
bool AwaitClosed(int connection);

// Whether it has closed it already.
bool HasHungUp(int connection);

class RawClient {
 public:
  // Of `slots` slots, each with `slot_data_bytes` bytes of the data for its fetch.
  explicit RawClient(uint32_t slots = 8, uint64_t slot_data_bytes = 256 << 10);
  ~RawClient() { Unmap(); }
  RawClient(const RawClient&) = delete;

  // Asks for an attachment and returns the answer.
  absl::Status Attach(Attachments* attachments);

  uint32_t slots() const { return slots_; }
  uint64_t region_bytes() const { return region_bytes_; }
  int connection() const { return connection_.get(); }
  shm::Control& control() const { return *reinterpret_cast<shm::Control*>(base_); }
  shm::Slot& slot(uint32_t index) const {
    return *reinterpret_cast<shm::Slot*>(base_ + shm::SlotOffset(index));
  }
  // Everything that slots' offsets may point to.
  absl::Span<std::byte> data() const;

  // Fills a slot for a fetch of `ids`, with tiers; its call may still be changed.
  shm::Call& Prepare(uint32_t slot, const storage::Table& table, const std::vector<uint32_t>& ids);
  // Submits it, and rings if the daemon sleeps.
  void Push(uint32_t slot);
  // Only the first half of that.
  void PushSilently(uint32_t slot);
  // Sends doorbells where the socket takes them.
  void Ring(size_t doorbells = 1) const;

  // The next slot that the daemon has completed. Nothing if it closed the connection, or completes
  // none within a minute.
  std::optional<uint32_t> Take();
  // As Take, for one fetch, with its outcome.
  absl::Status Fetch(uint32_t slot, const storage::Table& table, const std::vector<uint32_t>& ids);
  // Push and wait for what Prepare has filled in.
  absl::Status PushAndTake(uint32_t slot);

  absl::Status outcome(uint32_t index) const { return StatusOf(slot(index).outcome); }
  absl::Span<const std::byte> rows(uint32_t index) const;
  std::vector<storage::Tier> tiers(uint32_t index) const;
  std::byte* At(uint64_t offset) const { return base_ + offset; }

  // As a process that dies.
  void Die();
  // Lets go of the memory only.
  void Unmap();

 private:
  uint32_t completions() const { return control().completed.count.load(); }

  const uint32_t slots_;
  const uint64_t slot_data_bytes_;
  const uint64_t region_bytes_;
  UniqueFd memfd_;
  UniqueFd connection_;
  std::byte* base_;
  uint32_t pushed_ = 0;
  uint32_t taken_ = 0;
};

}  // namespace engram::server

#endif  // ENGRAM_TESTS_SERVER_SHM_RAW_CLIENT_H_
