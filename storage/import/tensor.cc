#include "storage/import/tensor.h"

#include <array>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace engram::storage {
namespace {

struct TypeTraits {
  absl::string_view name;
  uint32_t bits;
};

// In the order of TensorType.
constexpr std::array<TypeTraits, 22> kTypes = {{
    {"BOOL", 8},        {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},          {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16},    {"BF16", 16},
    {"I32", 32},        {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},
    {"I64", 64},        {"U64", 64},
}};
static_assert(kTypes.size() == static_cast<size_t>(TensorType::kU64) + 1);

}  // namespace

absl::string_view TensorTypeName(TensorType type) { return kTypes[static_cast<size_t>(type)].name; }

std::optional<TensorType> TensorTypeFromName(absl::string_view name) {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i].name == name) return static_cast<TensorType>(i);
  }
  return std::nullopt;
}

uint32_t TensorTypeBits(TensorType type) { return kTypes[static_cast<size_t>(type)].bits; }

std::string Tensor::Label() const {
  return absl::StrCat(file ? file->path() : "", ": tensor ", Quoted(name));
}

std::string Tensor::TypeAndShape() const {
  return absl::StrCat(TensorTypeName(type), " [", absl::StrJoin(shape, ", "), "]");
}

std::optional<uint64_t> ByteSize(TensorType type, const std::vector<uint64_t>& shape) {
  uint64_t bits = TensorTypeBits(type);
  for (uint64_t dimension : shape) {
    if (__builtin_mul_overflow(bits, dimension, &bits)) return std::nullopt;
  }
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

}  // namespace engram::storage
