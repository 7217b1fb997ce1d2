// A daemon's side of shared memory that does what the test tells it.
#ifndef ENGRAM_TESTS_CLIENT_SHM_FAKE_SHARER_TESTING_H_
#define ENGRAM_TESTS_CLIENT_SHM_FAKE_SHARER_TESTING_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "client/shm/shared_heap.h"
#include "client/shm/shared_link.h"
#include "proto/shared_memory.h"
#include "server/listening_socket.h"
#include "server/shm/region.h"
#include "server/unique_fd.h"

namespace engram {

// Listens on a Unix socket of the running test, for one link. Everything happens in the test's
// thread.
class FakeSharer {
 public:
  FakeSharer();

  const std::string& path() const { return path_; }

  // Takes the connection and the request of a link that was requested.
  void Accept();

  void Reply(const absl::Status& status);
  void SendBytes(const std::string& bytes);
  void HangUp() { connection_.Reset(); }

  // Whether a doorbell was rung since the last call.
  bool TakeDoorbell();

  uint32_t submitted() const { return region_->control().submitted.count.load(); }
  // The slot of a submission, by its number.
  uint32_t SlotOf(uint32_t submission) const;
  const shm::Call& call(uint32_t slot) const { return region_->slot(slot).call; }

  // Fills the rows of a call with a byte.
  void WriteRows(uint32_t slot, std::byte byte);
  void Complete(uint32_t slot, const absl::Status& status);
  void Wake() { region_->control().awake.fetch_add(1); }

 private:
  const std::string path_;
  std::optional<server::ListeningSocket> socket_;
  server::UniqueFd connection_;
  std::optional<server::Region> region_;
  uint32_t completed_ = 0;
};

// A heap, and a link of it that `sharer` has accepted.
std::shared_ptr<SharedLink> MustLink(FakeSharer& sharer, absl::Duration patience);

}  // namespace engram

#endif  // ENGRAM_TESTS_CLIENT_SHM_FAKE_SHARER_TESTING_H_
