// A model's tensors, in one safetensors file or in many.
#ifndef ENGRAM_STORAGE_IMPORT_CHECKPOINT_H_
#define ENGRAM_STORAGE_IMPORT_CHECKPOINT_H_

#include <map>
#include <string>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "storage/import/safetensors_file.h"
#include "storage/import/tensor.h"

namespace engram::storage {

// Shard file of each tensor.
using WeightMap = std::unordered_map<std::string, std::string>;

// Parses the text of a model.safetensors.index.json. `path` begins every message.
//   INVALID_ARGUMENT  malformed, a tensor listed twice, or a shard that is no plain file name
absl::StatusOr<WeightMap> ParseCheckpointIndex(absl::string_view text, absl::string_view path);

// Not thread-safe.
class Checkpoint {
 public:
  // Opens a directory with model.safetensors.index.json or model.safetensors.
  //   NOT_FOUND         there is neither
  //   INVALID_ARGUMENT  the index is malformed; or as OpenSafetensors
  //   DATA_LOSS         a file cannot be read
  static absl::StatusOr<Checkpoint> OpenDirectory(const std::string& directory);

  // Opens one .safetensors file.
  //   NOT_FOUND, INVALID_ARGUMENT, DATA_LOSS  as OpenSafetensors
  static absl::StatusOr<Checkpoint> OpenFile(const std::string& path);

  // Whether the index lists a tensor.
  bool Contains(const std::string& name) const { return weight_map_.contains(name); }

  // Returns a tensor; the header of its shard is read and checked when it is first needed.
  //   NOT_FOUND                    no such tensor, its shard is missing, or does not hold it
  //   INVALID_ARGUMENT, DATA_LOSS  as OpenSafetensors
  absl::StatusOr<Tensor> Find(const std::string& name);

  // Returns the only tensor.
  //   INVALID_ARGUMENT  there is none, or several
  absl::StatusOr<Tensor> FindOnly();

 private:
  explicit Checkpoint(std::string path) : path_(std::move(path)) {}

  std::string path_;  // of the directory or file, for messages
  std::string directory_;
  WeightMap weight_map_;
  std::map<std::string, TensorsByName> shards_;  // those opened so far
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_CHECKPOINT_H_
