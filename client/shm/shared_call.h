// One fetch by way of shared memory.
#ifndef ENGRAM_CLIENT_SHM_SHARED_CALL_H_
#define ENGRAM_CLIENT_SHM_SHARED_CALL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/engram_client.h"
#include "client/fetch_call.h"
#include "client/shm/shared_heap.h"
#include "client/shm/shared_link.h"
#include "proto/shared_memory.h"

namespace engram {

// If the rows' memory is of the link's heap, the daemon writes them there; otherwise to the heap,
// and whoever waits for the fetch copies them. A fetch whose link is lost, or that the daemon
// answers with UNAVAILABLE, is made again by other means.
class SharedCall final : public FetchCall {
 public:
  // Starts a fetch that is known to be valid. Null if the link has no memory or slot left for it,
  // or its deadline has passed.
  //   table: the call's identity, and flags that the options do not have; all else is filled in
  static std::shared_ptr<SharedCall> Start(std::shared_ptr<SharedLink> link, const shm::Call& table,
                                           absl::Span<const uint32_t> row_ids,
                                           absl::Span<std::byte> rows, const FetchOptions& options,
                                           Fallback fallback);

  absl::Status Wait() override;
  bool done() override;
  void Cancel() override;
  void Close() override;
  void SetPoke(std::function<void()> poke) override;
  std::shared_ptr<SharedLink> link() override;
  void CheckDaemon(absl::Time waiting_since) override;

 private:
  SharedCall(std::shared_ptr<SharedLink> link, absl::Span<std::byte> rows,
             const FetchOptions& options, Fallback fallback);

  // Writes what is asked for to the heap and submits it; false if it has no room.
  bool Submit(shm::Call call, absl::Span<const uint32_t> row_ids, const FetchOptions& options);
  // Ends the fetch as its slot did, or falls back.
  void Collect();
  void CollectLost();
  void FallBack();
  // Ends the fetch while the daemon may still be at it.
  void GiveUp(absl::Status status);
  void KeepBlocks();

  const std::shared_ptr<SharedLink> link_;
  const absl::Span<std::byte> rows_;
  const absl::Span<Tier> tiers_;
  const absl::Time give_up_at_;
  const Fallback fallback_;
  const bool direct_;  // the daemon writes to the caller's own memory
  size_t ids_count_ = 0;
  SharedHeap::Block ids_;
  SharedHeap::Block answer_;  // rows, unless they are written directly, and tiers
  uint32_t slot_ = 0;

  bool cancelled_ = false;
  std::optional<absl::Status> status_;  // once ended
  std::shared_ptr<FetchCall> other_;    // once fallen back
  std::function<void()> poke_;
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_SHM_SHARED_CALL_H_
