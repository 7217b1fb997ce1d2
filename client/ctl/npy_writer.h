// Rows as a file that numpy.load reads.
#ifndef ENGRAM_CLIENT_CTL_NPY_WRITER_H_
#define ENGRAM_CLIENT_CTL_NPY_WRITER_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace engram::ctl {

// Writes `bytes` as an array of uint8, [bytes / row_bytes, row_bytes].
// Returns INVALID_ARGUMENT naming the path if the file cannot be written.
absl::Status WriteNpy(const std::string& path, absl::Span<const std::byte> bytes, size_t row_bytes);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_NPY_WRITER_H_
