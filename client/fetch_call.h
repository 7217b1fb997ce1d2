// A fetch under way, whatever carries it.
#ifndef ENGRAM_CLIENT_FETCH_CALL_H_
#define ENGRAM_CLIENT_FETCH_CALL_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace engram {

class SharedLink;  // shm/shared_link.h

// What a Ticket holds. One thread at a time. Whoever started it must Close it before letting go.
class FetchCall {
 public:
  virtual ~FetchCall() = default;

  // Waits until the fetch is done and returns its status.
  virtual absl::Status Wait() = 0;

  // Whether Wait would return at once.
  virtual bool done() = 0;

  // Makes the status CANCELLED, unless the fetch is done.
  virtual void Cancel() = 0;

  // Cancels the fetch, and waits until its outputs are no longer written. Not for gRPC's threads.
  virtual void Close() = 0;

  // Has `poke` called, until the fetch is done, whenever done() may have become true since it was
  // asked: by any thread, with none of the call's locks. Before the first done().
  virtual void SetPoke(std::function<void()> poke) = 0;

  // A link whose completions are to be watched as well; null if pokes tell all.
  virtual std::shared_ptr<SharedLink> link() { return nullptr; }

  // For whoever does not wait, once in a while: asks the daemon whether it lives, which may take
  // ten seconds, and ends the fetch if it does not say so.
  virtual void CheckDaemon(absl::Time waiting_since) = 0;
};

// Makes a fetch again, of the same ids in the same order, by other means than it was made by.
using Fallback = std::function<std::shared_ptr<FetchCall>(absl::Span<const uint32_t> row_ids)>;

}  // namespace engram

#endif  // ENGRAM_CLIENT_FETCH_CALL_H_
