#include "storage/import/safetensors_file.h"

#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "storage/import/input_file.h"

namespace engram::storage {
namespace {

constexpr uint64_t kLengthBytes = 8;

}  // namespace

absl::StatusOr<TensorsByName> OpenSafetensors(const std::string& path) {
  absl::StatusOr<std::shared_ptr<const InputFile>> opened = InputFile::Open(path);
  if (!opened.ok()) return opened.status();
  const std::shared_ptr<const InputFile>& file = *opened;
  if (file->size() < kLengthBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": has ", file->size(), " bytes, too few for a safetensors file"));
  }
  std::array<std::byte, kLengthBytes> prefix;
  absl::Status status = file->ReadAt(0, absl::MakeSpan(prefix));
  if (!status.ok()) return status;
  uint64_t header_bytes = 0;
  for (size_t i = prefix.size(); i-- > 0;) {
    header_bytes = header_bytes << 8 | std::to_integer<uint64_t>(prefix[i]);
  }
  if (header_bytes > kMaxSafetensorsHeaderBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": header of ", header_bytes, " bytes, may have ", kMaxSafetensorsHeaderBytes));
  }
  if (header_bytes > file->size() - kLengthBytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": truncated: header of ", header_bytes,
                                                   " bytes in a file of ", file->size()));
  }
  std::string header(header_bytes, '\0');
  status = file->ReadAt(kLengthBytes, {reinterpret_cast<std::byte*>(header.data()), header.size()});
  if (!status.ok()) return status;
  absl::StatusOr<TensorsByName> tensors = ParseSafetensorsHeader(header, file->size(), path);
  if (!tensors.ok()) return tensors.status();
  for (auto& [name, tensor] : *tensors) tensor.file = file;
  return tensors;
}

}  // namespace engram::storage
