#include "storage/import/row_source.h"

#include <array>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "storage/import/checkpoint.h"
#include "storage/import/engram_config.h"
#include "storage/import/input_file.h"
#include "storage/import/npy_file.h"
#include "storage/import/packed_rows.h"
#include "storage/import/table_layout.h"

namespace engram::storage {
namespace {

constexpr uint64_t kMaxConfigBytes = 4 << 20;

// What wrappers of a model put before its tensors' names.
constexpr std::array<absl::string_view, 5> kPrefixes = {
    "", "model.", "language_model.", "model.language_model.", "language_model.model."};

std::string Describe(const ImportOptions& options, const TableTensors& tensors) {
  std::string text = absl::StrCat(options.path, ": ", tensors.weights.front().name);
  if (tensors.weights.size() > 1) {
    absl::StrAppend(&text, " .. ", tensors.weights.back().name);
  }
  if (tensors.scale) absl::StrAppend(&text, " + ", tensors.scale->name);
  return text;
}

// Completes the spec of a table and makes its rows readable. Group size and orders are those of
// `options`, or else the defaults given.
absl::StatusOr<NamedRowSource> MakeSource(const ImportOptions& options, std::string table,
                                          TableSpec spec, const TableTensors& tensors,
                                          uint32_t group_size,
                                          const std::vector<uint32_t>& orders) {
  spec.group_size = options.group_size != 0 ? options.group_size : group_size;
  spec.orders = !options.orders.empty() ? options.orders : orders;
  absl::Status status = ValidateTableName(table);
  if (status.ok()) status = ValidateTableSpec(spec);
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(options.path, ": ", status.message()));
  }
  return NamedRowSource{.table = std::move(table),
                        .rows = MakePackedRows(spec, tensors, Describe(options, tensors))};
}

absl::StatusOr<std::vector<NamedRowSource>> OpenOne(const ImportOptions& options,
                                                    const TableTensors& tensors) {
  absl::StatusOr<TableSpec> spec = LayOutTable(tensors);
  if (!spec.ok()) return spec.status();
  absl::StatusOr<NamedRowSource> source =
      MakeSource(options, options.name, *spec, tensors, /*group_size=*/1, /*orders=*/{});
  if (!source.ok()) return source.status();
  std::vector<NamedRowSource> sources;
  sources.push_back(*std::move(source));
  return sources;
}

absl::StatusOr<std::vector<NamedRowSource>> OpenTensor(const ImportOptions& options,
                                                       Checkpoint checkpoint) {
  TableTensors tensors;
  absl::StatusOr<Tensor> weight =
      options.tensor.empty() ? checkpoint.FindOnly() : checkpoint.Find(options.tensor);
  if (!weight.ok()) return weight.status();
  tensors.weights.push_back(*std::move(weight));
  if (!options.scale_tensor.empty()) {
    absl::StatusOr<Tensor> scale = checkpoint.Find(options.scale_tensor);
    if (!scale.ok()) return scale.status();
    tensors.scale = *std::move(scale);
  }
  return OpenOne(options, tensors);
}

absl::StatusOr<TableTensors> FindLayerTensors(const EngramLayer& layer, const std::string& path,
                                              Checkpoint& checkpoint) {
  std::optional<std::string> prefix;
  for (absl::string_view candidate : kPrefixes) {
    if (checkpoint.Contains(absl::StrCat(candidate, layer.weights.front()))) {
      prefix = std::string(candidate);
      break;
    }
  }
  if (!prefix) {
    return absl::NotFoundError(absl::StrCat(path, ": holds no tensor ",
                                            Quoted(layer.weights.front()), " of Engram layer ",
                                            layer.id, ", with or without a prefix like 'model.'"));
  }
  TableTensors tensors;
  for (const std::string& name : layer.weights) {
    absl::StatusOr<Tensor> weight = checkpoint.Find(*prefix + name);
    if (!weight.ok()) return weight.status();
    tensors.weights.push_back(*std::move(weight));
  }
  // FP8 values mean nothing without their scales; other types have none.
  const std::string scale_name = *prefix + layer.scale;
  if (tensors.weights.front().type == TensorType::kF8E4m3 || checkpoint.Contains(scale_name)) {
    absl::StatusOr<Tensor> scale = checkpoint.Find(scale_name);
    if (!scale.ok()) return scale.status();
    tensors.scale = *std::move(scale);
  }
  return tensors;
}

absl::StatusOr<NamedRowSource> OpenLayer(const ImportOptions& options, const EngramConfig& config,
                                         const EngramLayer& layer, Checkpoint& checkpoint) {
  absl::StatusOr<TableTensors> tensors = FindLayerTensors(layer, options.path, checkpoint);
  if (!tensors.ok()) return tensors.status();
  absl::StatusOr<TableSpec> spec = LayOutTable(*tensors);
  if (!spec.ok()) return spec.status();
  const Tensor& weight = tensors->weights.front();
  const std::string is = absl::StrCat(weight.Label(), " is ", weight.TypeAndShape(), ", ");
  if (spec->value_format == ValueFormat::kOpaque) {
    return absl::InvalidArgumentError(
        absl::StrCat(is, "but an Engram table holds F8_E4M3, BF16, F16, F32 or I8"));
  }
  if (layer.rows != 0 && spec->rows != layer.rows) {
    return absl::InvalidArgumentError(absl::StrCat(
        is, "but config.json says engram_num_embeddings ", layer.rows, " for layer ", layer.id));
  }
  if (spec->values_per_row != config.values_per_row) {
    return absl::InvalidArgumentError(absl::StrCat(is, "but config.json says ", config.values_text,
                                                   ": rows of ", config.values_per_row, " values"));
  }
  return MakeSource(options, absl::StrCat(options.name, "/layer", layer.id), *spec, *tensors,
                    config.group_size, config.orders);
}

absl::StatusOr<std::vector<NamedRowSource>> OpenLayers(const ImportOptions& options,
                                                       Checkpoint checkpoint) {
  const std::string config_path = absl::StrCat(options.path, "/config.json");
  absl::StatusOr<std::string> text = ReadTextFile(config_path, kMaxConfigBytes);
  if (!text.ok()) return text.status();
  absl::StatusOr<EngramConfig> config = ParseEngramConfig(*text, config_path);
  if (!config.ok()) return config.status();
  std::vector<NamedRowSource> sources;
  for (const EngramLayer& layer : config->layers) {
    if (options.layer && *options.layer != layer.id) continue;
    absl::StatusOr<NamedRowSource> source = OpenLayer(options, *config, layer, checkpoint);
    if (!source.ok()) return source.status();
    sources.push_back(*std::move(source));
  }
  if (sources.empty()) {
    return absl::NotFoundError(
        absl::StrCat(config_path, ": layer ", *options.layer, " is not an Engram layer"));
  }
  return sources;
}

absl::Status CheckOptions(const ImportOptions& options, bool is_directory) {
  absl::Status status = ValidateTableName(options.name);
  if (!status.ok()) return status;
  if (!options.scale_tensor.empty() && options.tensor.empty()) {
    return absl::InvalidArgumentError("scale_tensor is given without tensor");
  }
  if (options.layer && (!options.tensor.empty() || !is_directory)) {
    return absl::InvalidArgumentError(
        "layer selects a table of a checkpoint directory: it goes neither with tensor nor with a "
        "single file");
  }
  if (absl::EndsWith(options.path, ".npy") && !is_directory && !options.tensor.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.path, ": a .npy file holds one array without a name: give no tensor"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<NamedRowSource>> OpenRowSources(const ImportOptions& options) {
  std::error_code ignored;  // opening what is in the directory says better what is wrong
  const bool is_directory = std::filesystem::is_directory(options.path, ignored);
  absl::Status status = CheckOptions(options, is_directory);
  if (!status.ok()) return status;
  if (is_directory) {
    absl::StatusOr<Checkpoint> checkpoint = Checkpoint::OpenDirectory(options.path);
    if (!checkpoint.ok()) return checkpoint.status();
    if (options.tensor.empty()) return OpenLayers(options, *std::move(checkpoint));
    return OpenTensor(options, *std::move(checkpoint));
  }
  if (absl::EndsWith(options.path, ".safetensors")) {
    absl::StatusOr<Checkpoint> checkpoint = Checkpoint::OpenFile(options.path);
    if (!checkpoint.ok()) return checkpoint.status();
    return OpenTensor(options, *std::move(checkpoint));
  }
  if (absl::EndsWith(options.path, ".npy")) {
    absl::StatusOr<Tensor> array = OpenNpy(options.path);
    if (!array.ok()) return array.status();
    array->name = std::filesystem::path(options.path).filename().string();
    return OpenOne(options, TableTensors{.weights = {*std::move(array)}, .scale = {}});
  }
  absl::StatusOr<std::shared_ptr<const InputFile>> file = InputFile::Open(options.path);
  if (!file.ok()) return file.status();
  return absl::InvalidArgumentError(absl::StrCat(
      options.path, ": is neither a checkpoint directory, a .safetensors nor a .npy file"));
}

}  // namespace engram::storage
