// What a checkpoint of each geometry consists of: its config, its tables, its tensors.
#ifndef ENGRAM_CLIENT_CHECKPOINT_CHECKPOINT_LAYOUT_H_
#define ENGRAM_CLIENT_CHECKPOINT_CHECKPOINT_LAYOUT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/checkpoint/checkpoint_writer.h"
#include "client/checkpoint/safetensors_writer.h"

namespace engram {

struct CheckpointLayout {
  std::string config;  // the text of config.json
  std::vector<CheckpointTable> tables;
  std::vector<TensorPlan> tensors;
};

// Returns INVALID_ARGUMENT as MakeCheckpoint.
absl::StatusOr<CheckpointLayout> PlanCheckpoint(const CheckpointOptions& options);

}  // namespace engram

#endif  // ENGRAM_CLIENT_CHECKPOINT_CHECKPOINT_LAYOUT_H_
