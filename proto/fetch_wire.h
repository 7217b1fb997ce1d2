// The wire form of a fetch's answer, without a copy of its rows through a protobuf string: bytes on
// the wire are those of engram.v1.FetchResponse, so that any protobuf client can read them.
#ifndef ENGRAM_PROTO_FETCH_WIRE_H_
#define ENGRAM_PROTO_FETCH_WIRE_H_

#include <cstddef>
#include <cstdint>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace engram::v1 {
class FetchResponse;
}  // namespace engram::v1

namespace engram::wire {

// Serialises `head` (a response without rows) followed by `rows` as its `rows` field. The returned
// buffer shares `rows`, which is not copied.
grpc::ByteBuffer EncodeFetchResponse(const v1::FetchResponse& head, const grpc::Slice& rows);

// Parses a response: its rows go straight to `rows`, its tiers to `tiers` (either may be empty:
// then that field is skipped), all other fields to `head`. `message` is consumed.
//   INTERNAL  the message is malformed, or a field has not exactly the size of its output; the
//             contents of the outputs are then unspecified. A response with `error` set may lack
//             both fields.
absl::Status DecodeFetchResponse(grpc::ByteBuffer* message, absl::Span<std::byte> rows,
                                 absl::Span<std::byte> tiers, v1::FetchResponse* head);

// The ticket of a response, of which the rest need not have been looked at yet: where to put its
// rows. 0 if it has none. The message stays as it is.
//   INTERNAL  the message is malformed
absl::StatusOr<uint64_t> TicketOf(grpc::ByteBuffer* message);

}  // namespace engram::wire

#endif  // ENGRAM_PROTO_FETCH_WIRE_H_
