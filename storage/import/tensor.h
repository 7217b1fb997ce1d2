// A tensor inside a model file.
#ifndef ENGRAM_STORAGE_IMPORT_TENSOR_H_
#define ENGRAM_STORAGE_IMPORT_TENSOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "storage/import/input_file.h"

namespace engram::storage {

// The types of the safetensors format.
enum class TensorType : uint8_t {
  kBool,
  kF4,
  kF6E2m3,
  kF6E3m2,
  kU8,
  kI8,
  kF8E5m2,
  kF8E4m3,
  kF8E8m0,
  kF8E4m3Fnuz,
  kF8E5m2Fnuz,
  kI16,
  kU16,
  kF16,
  kBf16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

// As safetensors headers spell it: "F8_E4M3".
absl::string_view TensorTypeName(TensorType type);

// nullopt: there is no such type.
std::optional<TensorType> TensorTypeFromName(absl::string_view name);

// Bits of one element.
uint32_t TensorTypeBits(TensorType type);

// Elements in row-major order, little-endian, without gaps.
struct Tensor {
  std::string name;
  TensorType type = TensorType::kU8;
  std::vector<uint64_t> shape;
  uint64_t offset = 0;  // of the first byte, in the file
  uint64_t bytes = 0;
  std::shared_ptr<const InputFile> file;

  // "FILE: tensor 'NAME'", for messages.
  std::string Label() const;
  // "F8_E4M3 [384006168, 256]", for messages.
  std::string TypeAndShape() const;
};

// Bytes that elements of a shape take; nullopt where that overflows or is no whole number.
std::optional<uint64_t> ByteSize(TensorType type, const std::vector<uint64_t>& shape);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_TENSOR_H_
