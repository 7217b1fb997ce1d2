// What a fetch sends, and what it checks before.
#ifndef ENGRAM_CLIENT_FETCH_REQUEST_H_
#define ENGRAM_CLIENT_FETCH_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/engram_client.h"

namespace engram {

namespace v1 {
class FetchRequest;
}  // namespace v1

// Checks a fetch as the daemon would, and the sizes of its outputs.
//   INVALID_ARGUMENT    no ids, no whole groups, or an output of the wrong size or lacking
//   OUT_OF_RANGE        names the first id that is not in the table, and its index
//   RESOURCE_EXHAUSTED  more than max_fetch_rows ids
absl::Status ValidateFetch(const Table& table, absl::Span<const uint32_t> row_ids,
                           absl::Span<const std::byte> rows, const FetchOptions& options);

// The same of the ids alone.
absl::Status ValidateIds(const Table& table, absl::Span<const uint32_t> row_ids);

// engram.v1.FetchRequest.needed_us: 1 if that is past, 0 if needed_at is InfiniteFuture.
uint64_t MicrosecondsUntilNeeded(absl::Time needed_at);

// engram.v1.FetchRequest.deadline_us; 0 if it has none. Nothing if the deadline has passed, unless
// a partial answer will do: then there is one of what the daemon has at hand.
std::optional<uint64_t> MicrosecondsToDeadline(const FetchOptions& options);

// Sets what a request says of when its rows are needed, and how it may be answered; not its
// deadline.
void SetOptions(const FetchOptions& options, v1::FetchRequest* request);

// When to wait no longer: at the deadline, or when an answer that was sent then should have come.
absl::Time GiveUpAt(const FetchOptions& options);

// A serialised engram.v1.FetchRequest.
struct EncodedRequest {
  grpc::ByteBuffer message;
  absl::Span<const uint32_t> row_ids;  // of the message, where they live
};

// Serialises a request, with one copy of the ids.
//   head: the serialised request without its ids
EncodedRequest EncodeFetchRequest(absl::string_view head, absl::Span<const uint32_t> row_ids);

}  // namespace engram

#endif  // ENGRAM_CLIENT_FETCH_REQUEST_H_
