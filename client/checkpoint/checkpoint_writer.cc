#include "client/checkpoint/checkpoint_writer.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "client/checkpoint/checkpoint_layout.h"
#include "client/checkpoint/safetensors_writer.h"

namespace engram {
namespace {

namespace fs = std::filesystem;

constexpr char kConfigName[] = "config.json";
constexpr char kIndexName[] = "model.safetensors.index.json";

struct Shard {
  std::string name;
  absl::Span<const TensorPlan> tensors;
};

// Fills shards one after another, in the tensors' order.
std::vector<Shard> CutIntoShards(absl::Span<const TensorPlan> tensors, uint64_t max_bytes) {
  std::vector<Shard> shards;
  size_t begin = 0;
  uint64_t bytes = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (i > begin && bytes + tensors[i].bytes() > max_bytes) {
      shards.push_back({.name = "", .tensors = tensors.subspan(begin, i - begin)});
      begin = i;
      bytes = 0;
    }
    bytes += tensors[i].bytes();
  }
  shards.push_back({.name = "", .tensors = tensors.subspan(begin)});
  for (size_t i = 0; i < shards.size(); ++i) {
    shards[i].name = absl::StrFormat("model-%05u-of-%05u.safetensors", i + 1, shards.size());
  }
  return shards;
}

uint64_t TotalBytes(absl::Span<const TensorPlan> tensors) {
  uint64_t bytes = 0;
  for (const TensorPlan& tensor : tensors) bytes += tensor.bytes();
  return bytes;
}

std::string EncodeIndex(const std::vector<Shard>& shards, uint64_t total_bytes) {
  nlohmann::ordered_json index;
  index["metadata"]["total_size"] = total_bytes;
  for (const Shard& shard : shards) {
    for (const TensorPlan& tensor : shard.tensors) index["weight_map"][tensor.name] = shard.name;
  }
  return index.dump(2) + "\n";
}

absl::Status PrepareDirectory(const fs::path& directory) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) {
    const std::string message =
        absl::StrCat("cannot create the directory ", directory.string(), ": ", error.message());
    const bool denied =
        error == std::errc::permission_denied || error == std::errc::read_only_file_system;
    if (error == std::errc::no_space_on_device) return absl::ResourceExhaustedError(message);
    return denied ? absl::PermissionDeniedError(message) : absl::NotFoundError(message);
  }
  for (const char* name : {kConfigName, kIndexName}) {
    if (fs::exists(directory / name, error)) {
      return absl::AlreadyExistsError(
          absl::StrCat(directory.string(), " holds a checkpoint already: ", name, " exists"));
    }
  }
  return absl::OkStatus();
}

// Files of a checkpoint that is not complete yet. Removes them again unless kept.
class NewFiles {
 public:
  explicit NewFiles(fs::path directory) : directory_(std::move(directory)) {}
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;
  ~NewFiles() {
    std::error_code ignored;
    for (const std::string& path : paths_) fs::remove(path, ignored);
  }

  // The path of a file that is about to be written.
  const std::string& Add(const std::string& name) {
    return paths_.emplace_back((directory_ / name).string());
  }

  void Keep() { paths_.clear(); }

 private:
  const fs::path directory_;
  std::vector<std::string> paths_;
};

absl::Status WriteFiles(const CheckpointOptions& options, const CheckpointLayout& layout,
                        const std::vector<Shard>& shards, uint64_t total_bytes) {
  NewFiles files(options.directory);
  uint64_t bytes_done = 0;
  const auto on_bytes = [&](uint64_t bytes) {
    bytes_done += bytes;
    return !options.progress || options.progress(bytes_done, total_bytes);
  };
  for (const Shard& shard : shards) {
    const absl::Status status = WriteSafetensors(files.Add(shard.name), shard.tensors, on_bytes);
    if (!status.ok()) return status;
  }
  absl::Status status = WriteTextFile(files.Add(kConfigName), layout.config);
  if (!status.ok()) return status;
  status = WriteTextFile(files.Add(kIndexName), EncodeIndex(shards, total_bytes));
  if (!status.ok()) return status;
  files.Keep();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CheckpointSummary> MakeCheckpoint(const CheckpointOptions& options) {
  if (options.directory.empty()) {
    return absl::InvalidArgumentError("the checkpoint's directory has no name");
  }
  if (options.max_shard_bytes == 0) {
    return absl::InvalidArgumentError("max_shard_bytes must be above 0");
  }
  absl::StatusOr<CheckpointLayout> layout = PlanCheckpoint(options);
  if (!layout.ok()) return layout.status();
  if (absl::Status status = PrepareDirectory(options.directory); !status.ok()) return status;

  const std::vector<Shard> shards = CutIntoShards(layout->tensors, options.max_shard_bytes);
  const uint64_t total_bytes = TotalBytes(layout->tensors);
  if (absl::Status status = WriteFiles(options, *layout, shards, total_bytes); !status.ok()) {
    return status;
  }
  return CheckpointSummary{.tables = std::move(layout->tables),
                           .shards = static_cast<uint32_t>(shards.size()),
                           .tensor_bytes = total_bytes};
}

}  // namespace engram
