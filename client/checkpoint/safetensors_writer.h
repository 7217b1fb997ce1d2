// Writes one .safetensors file whose tensors are made piece by piece, in bounded memory.
#ifndef ENGRAM_CLIENT_CHECKPOINT_SAFETENSORS_WRITER_H_
#define ENGRAM_CLIENT_CHECKPOINT_SAFETENSORS_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace engram {

// A tensor to be written, as rows along its first dimension.
struct TensorPlan {
  std::string name;
  std::string dtype;            // as safetensors spells it: "F8_E4M3", "I64", ...
  std::vector<uint64_t> shape;  // at least one dimension; shape[0] is the number of rows
  uint64_t row_bytes = 0;
  // Fills rows first_row, first_row + 1, ... into `rows` [count x row_bytes]. Called in order of
  // rows, from the thread that writes.
  std::function<void(uint64_t first_row, absl::Span<std::byte> rows)> fill;

  uint64_t bytes() const { return shape[0] * row_bytes; }
};

// Writes the tensors, in their order, into the file `path`, replacing what it held. Not synced to
// the disk. `on_bytes` is called after each piece of at most 4 MiB (or one row) with its size;
// returning false cancels.
// Returns:
//   OK
//   NOT_FOUND, PERMISSION_DENIED  the file cannot be created
//   RESOURCE_EXHAUSTED            the disk is full
//   CANCELLED                     `on_bytes` returned false
//   UNAVAILABLE                   any other error of the file system
// After an error the file may be there, incomplete.
absl::Status WriteSafetensors(const std::string& path, absl::Span<const TensorPlan> tensors,
                              const std::function<bool(uint64_t bytes)>& on_bytes);

// Writes a small text file under the same contract.
absl::Status WriteTextFile(const std::string& path, const std::string& text);

}  // namespace engram

#endif  // ENGRAM_CLIENT_CHECKPOINT_SAFETENSORS_WRITER_H_
