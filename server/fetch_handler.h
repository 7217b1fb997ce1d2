// Fetches, whatever transport they came by; and those of gRPC from message to message.
#ifndef ENGRAM_SERVER_FETCH_HANDLER_H_
#define ENGRAM_SERVER_FETCH_HANDLER_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <grpcpp/support/byte_buffer.h>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "engram/v1/engram.pb.h"
#include "server/in_flight_limit.h"
#include "storage/tiered_store.h"

namespace engram::server {

// What a row of a fetch takes beside its bytes in the answer: its id, and the read of it.
inline constexpr uint64_t kFetchOverheadPerRow = 16;

// The most that one fetch may ask for.
struct FetchLimits {
  uint64_t rows = 0;          // row ids in the request
  uint64_t answer_bytes = 0;  // bytes of rows in the answer
};

// Thread-safe. The store must outlive it, and every reply.
class FetchHandler {
 public:
  // Called once: with the serialised FetchResponse, which holds its share of the limit until it is
  // destroyed, or with the error that the caller gets (the codes of rpc Fetch).
  using Reply = absl::AnyInvocable<void(absl::StatusOr<grpc::ByteBuffer>) &&>;

  FetchHandler(storage::TieredStore* store, std::shared_ptr<InFlightLimit> in_flight,
               const FetchLimits& limits)
      : store_(store), in_flight_(std::move(in_flight)), limits_(limits) {}

  // A fetch that may be made: its table, and its share of the limit.
  struct Admitted {
    storage::TableRef table;
    InFlightLimit::Grant grant;
  };

  // Checks all of a fetch but its ids, of which only the number is told.
  //   as rpc Fetch, but for OUT_OF_RANGE, DEADLINE_EXCEEDED and DATA_LOSS
  absl::StatusOr<Admitted> Admit(absl::string_view name, uint64_t version, absl::string_view digest,
                                 size_t ids);

  // As TieredStore::Fetch.
  void Fetch(const storage::FetchOptions& options, storage::FetchDone done) {
    store_->Fetch(options, std::move(done));
  }

  // As TieredStore::Prefetch.
  absl::Status Prefetch(const Admitted& hint, absl::Span<const storage::RowId> row_ids) {
    return store_->Prefetch(hint.table, row_ids);
  }

  // Checks the request and starts it. `reply` is called before this returns if every row was in RAM
  // or the request is refused; otherwise by another thread.
  //   deadline: of the call; the request may have an earlier one
  //   cancelled: may be set at any time, and is kept until `reply` was called
  void Start(v1::FetchRequest request, absl::Time deadline,
             std::shared_ptr<storage::CancelFlag> cancelled, Reply reply);

  // Refuses fetches with UNAVAILABLE from now on.
  void BeginDrain() { draining_.store(true, std::memory_order_relaxed); }

  bool draining() const { return draining_.load(std::memory_order_relaxed); }

  // Most row ids of one fetch, a multiple of the group size.
  uint64_t MaxRows(const storage::TableSpec& spec) const {
    const uint64_t rows = std::min(limits_.rows, limits_.answer_bytes / spec.row_bytes);
    return rows / spec.group_size * spec.group_size;
  }

 private:
  struct Pending;
  absl::Status Prepare(Pending* pending);
  void StartPrefetch(const v1::FetchRequest& request, Reply reply);

  storage::TieredStore* const store_;
  const std::shared_ptr<InFlightLimit> in_flight_;
  const FetchLimits limits_;
  std::atomic<bool> draining_ = false;
};

// The time that is so many microseconds from now; 0: InfiniteFuture.
absl::Time FromNow(uint64_t microseconds);

// As FetchRequest.needed_us says.
absl::Time NeededAt(uint64_t needed_us);

// Parses a request.
//   INVALID_ARGUMENT
absl::StatusOr<v1::FetchRequest> ParseFetchRequest(const grpc::ByteBuffer& message);

}  // namespace engram::server

#endif  // ENGRAM_SERVER_FETCH_HANDLER_H_
