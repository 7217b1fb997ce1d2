// What a fetch sends, and what it checks before.
#ifndef ENGRAM_CLIENT_FETCH_REQUEST_H_
#define ENGRAM_CLIENT_FETCH_REQUEST_H_

#include <cstddef>
#include <cstdint>

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "client/engram_client.h"

namespace engram {

// Checks a fetch as the daemon would, and the sizes of its outputs.
//   INVALID_ARGUMENT    no ids, no whole groups, or an output of the wrong size
//   OUT_OF_RANGE        names the first id that is not in the table, and its index
//   RESOURCE_EXHAUSTED  more than max_fetch_rows ids
absl::Status ValidateFetch(const Table& table, absl::Span<const uint32_t> row_ids,
                           absl::Span<const std::byte> rows, absl::Span<const Tier> tiers);

// engram.v1.FetchRequest.needed_us: 1 if that is past, 0 if needed_at is InfiniteFuture.
uint64_t MicrosecondsUntilNeeded(absl::Time needed_at);

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
