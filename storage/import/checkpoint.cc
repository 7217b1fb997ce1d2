#include "storage/import/checkpoint.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/import/input_file.h"
#include "storage/import/json_events.h"

namespace engram::storage {
namespace {

constexpr uint64_t kMaxIndexBytes = 100'000'000;
constexpr absl::string_view kIndexName = "model.safetensors.index.json";
constexpr absl::string_view kSingleName = "model.safetensors";

// {"metadata": ANYTHING, "weight_map": {TENSOR: FILE, ...}}
class IndexEvents : public JsonEvents {
 public:
  bool null() override { return Skip("null"); }
  bool boolean(bool /*value*/) override { return Skip("a boolean"); }
  bool number_integer(number_integer_t /*value*/) override { return Skip("a number"); }
  bool number_unsigned(number_unsigned_t /*value*/) override { return Skip("a number"); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
    return Skip("a number");
  }

  bool string(string_t& value) override {
    if (!in_map_) return Skip("a string");
    // A shard lies beside its index: nothing else of the machine is read because an index says so.
    if (value.find('/') != std::string::npos || value.find('\0') != std::string::npos ||
        absl::StartsWith(value, "..") || !absl::EndsWith(value, ".safetensors")) {
      return Fail(absl::StrCat(Where(), ": shard ", Quoted(value),
                               " is not the name of a .safetensors file beside the index"));
    }
    if (!weight_map_.emplace(tensor_, std::move(value)).second) {
      return Fail(Where() + " is listed twice");
    }
    return true;
  }

  bool key(string_t& value) override {
    if (in_map_) tensor_ = std::move(value);
    if (depth_ != 1) return true;
    at_map_ = value == "weight_map";
    if (at_map_ && std::exchange(has_map_, true)) return Fail("weight_map occurs twice");
    return true;
  }

  bool start_object(size_t /*elements*/) override {
    if (in_map_) return Unexpected("an object");
    in_map_ = depth_ == 1 && at_map_;
    ++depth_;
    return true;
  }
  bool end_object() override {
    in_map_ = false;
    --depth_;
    return true;
  }
  bool start_array(size_t /*elements*/) override {
    if (!Skip("an array")) return false;
    ++depth_;
    return true;
  }
  bool end_array() override {
    --depth_;
    return true;
  }

  bool has_map() const { return has_map_; }
  WeightMap&& weight_map() { return std::move(weight_map_); }

 protected:
  std::string Where() const override {
    if (in_map_) return absl::StrCat("weight_map: tensor ", Quoted(tensor_));
    return at_map_ ? "weight_map" : "index";
  }

 private:
  // A value outside of the weight map means nothing to us.
  bool Skip(absl::string_view what) {
    const bool skippable = depth_ > 0 && !in_map_ && !(depth_ == 1 && at_map_);
    return skippable || Unexpected(what);
  }

  int depth_ = 0;
  bool at_map_ = false;  // the last key of the document's object was weight_map
  bool in_map_ = false;
  bool has_map_ = false;
  std::string tensor_;
  WeightMap weight_map_;
};

}  // namespace

absl::StatusOr<WeightMap> ParseCheckpointIndex(absl::string_view text, absl::string_view path) {
  IndexEvents events;
  absl::Status status = ParseJson(text, path, events);
  if (!status.ok()) return status;
  if (!events.has_map()) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": weight_map is missing"));
  }
  return events.weight_map();
}

absl::StatusOr<Checkpoint> Checkpoint::OpenDirectory(const std::string& directory) {
  const std::string index_path = absl::StrCat(directory, "/", kIndexName);
  const std::string single_path = absl::StrCat(directory, "/", kSingleName);
  std::error_code error;
  const bool has_index = std::filesystem::exists(index_path, error);
  if (error) {
    return absl::ErrnoToStatus(error.value(), absl::StrCat(directory, ": cannot be searched"));
  }
  if (!has_index) {
    if (std::filesystem::exists(single_path, error)) return OpenFile(single_path);
    return absl::NotFoundError(
        absl::StrCat(directory, ": holds neither ", kIndexName, " nor ", kSingleName));
  }
  absl::StatusOr<std::string> text = ReadTextFile(index_path, kMaxIndexBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<WeightMap> weight_map = ParseCheckpointIndex(*text, index_path);
  if (!weight_map.ok()) return weight_map.status();
  Checkpoint checkpoint(directory);
  checkpoint.directory_ = directory;
  checkpoint.weight_map_ = *std::move(weight_map);
  return checkpoint;
}

absl::StatusOr<Checkpoint> Checkpoint::OpenFile(const std::string& path) {
  absl::StatusOr<TensorsByName> tensors = OpenSafetensors(path);
  if (!tensors.ok()) return tensors.status();
  Checkpoint checkpoint(path);
  const std::filesystem::path file(path);
  checkpoint.directory_ = file.parent_path().string();
  for (const auto& [name, tensor] : *tensors) {
    checkpoint.weight_map_.emplace(name, file.filename().string());
  }
  checkpoint.shards_.emplace(file.filename().string(), *std::move(tensors));
  return checkpoint;
}

absl::StatusOr<Tensor> Checkpoint::Find(const std::string& name) {
  const auto listed = weight_map_.find(name);
  if (listed == weight_map_.end()) {
    return absl::NotFoundError(absl::StrCat(path_, ": holds no tensor ", Quoted(name)));
  }
  const std::string& shard_name = listed->second;
  auto shard = shards_.find(shard_name);
  if (shard == shards_.end()) {
    absl::StatusOr<TensorsByName> tensors =
        OpenSafetensors(absl::StrCat(directory_, "/", shard_name));
    if (absl::IsNotFound(tensors.status())) {
      return absl::NotFoundError(absl::StrCat(path_, ": shard ", Quoted(shard_name),
                                              " is missing; ", kIndexName,
                                              " says that it holds tensor ", Quoted(name)));
    }
    if (!tensors.ok()) return tensors.status();
    shard = shards_.emplace(shard_name, *std::move(tensors)).first;
  }
  const auto tensor = shard->second.find(name);
  if (tensor == shard->second.end()) {
    return absl::NotFoundError(absl::StrCat(directory_, "/", shard_name, ": holds no tensor ",
                                            Quoted(name), ", though ", kIndexName, " says so"));
  }
  return tensor->second;
}

absl::StatusOr<Tensor> Checkpoint::FindOnly() {
  if (weight_map_.size() == 1) return Find(weight_map_.begin()->first);
  return absl::InvalidArgumentError(absl::StrCat(path_, ": holds ", weight_map_.size(),
                                                 " tensors; say which one to import (tensor)"));
}

}  // namespace engram::storage
