// Reads files from start to end.
#ifndef ENGRAM_CLIENT_HASH_FILE_READER_H_
#define ENGRAM_CLIENT_HASH_FILE_READER_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace engram {

// Hands the file's bytes to `consume`, in pieces of at most 256 KiB that live for the call only,
// until it returns an error, which this then returns. Otherwise returns OK, NOT_FOUND,
// PERMISSION_DENIED, or what else the system says, with the path in the message.
absl::Status ReadInPieces(const std::string& path,
                          absl::FunctionRef<absl::Status(absl::Span<const char>)> consume);

// The whole file. Errors as above.
absl::StatusOr<std::string> ReadWhole(const std::string& path);

}  // namespace engram

#endif  // ENGRAM_CLIENT_HASH_FILE_READER_H_
