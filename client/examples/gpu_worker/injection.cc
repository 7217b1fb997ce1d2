#include "client/examples/gpu_worker/injection.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"

namespace engram::gpu_worker {
namespace {

constexpr unsigned kThreads = 1024;  // of a block, as the kernel's sum over the block asks for
constexpr float kGate = 0.0625F;     // as in the kernel
constexpr size_t kCheckedTokens = 3;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// Sign, four bits of exponent with a bias of 7, three of mantissa.
float FromE4m3(std::byte byte) {
  const auto bits = std::to_integer<int>(byte);
  const int exponent = bits >> 3 & 15;
  const int mantissa = bits & 7;
  const float sign = (bits & 0x80) != 0 ? -1 : 1;
  if ((bits & 0x7F) == 0x7F) return kNan;
  return sign * (exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -9)
                               : std::ldexp(static_cast<float>(8 + mantissa), exponent - 10));
}

float FromE8m0(std::byte byte) {
  const auto bits = std::to_integer<int>(byte);
  return bits == 255 ? kNan : std::ldexp(1.0F, bits - 127);
}

float FromBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

uint16_t ToBf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

}  // namespace

absl::StatusOr<RowLayout> LayoutOf(const Table& table, size_t rows_per_token) {
  const TableSpec& spec = table.spec();
  const RowLayout layout{.rows_per_token = static_cast<uint32_t>(rows_per_token),
                         .row_bytes = spec.row_bytes,
                         .values = spec.values_per_row,
                         .scale_block = spec.scale_block};
  if (spec.value_format != ValueFormat::kFp8E4m3E8m0 || spec.row_bytes % sizeof(uint64_t) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(table.name(),
                     ": this program reads rows of FP8 values with E8M0 scales, a "
                     "multiple of 8 bytes long, as DeepSeek-V4.1's are"));
  }
  return layout;
}

void Inject(const Kernels& kernels, const RowLayout& layout, const Injection& injection,
            Stream& stream) {
  stream.Launch(kernels.inject_rows, {.blocks = injection.tokens, .threads = kThreads},
                injection.rows, layout.rows_per_token, layout.row_bytes, layout.values,
                layout.scale_block, injection.hidden, static_cast<uint32_t>(injection.width),
                injection.checksum);
}

uint64_t ChecksumRows(absl::Span<const std::byte> rows) {
  uint64_t sum = 0;
  for (size_t i = 0; i < rows.size() / sizeof(uint64_t); ++i) {
    uint64_t word;
    std::memcpy(&word, rows.data() + i * sizeof(word), sizeof(word));
    sum += Mix(word + (i + 1) * 0x9E3779B97F4A7C15u);
  }
  return sum;
}

void InjectOnHost(const RowLayout& layout, absl::Span<const std::byte> rows, size_t tokens,
                  absl::Span<uint16_t> hidden) {
  const size_t width = hidden.size() / tokens;
  const size_t values = size_t{layout.rows_per_token} * layout.values;
  for (size_t token = 0; token < tokens; ++token) {
    const auto mine = rows.subspan(token * layout.token_bytes(), layout.token_bytes());
    std::vector<float> sums(width);
    for (size_t j = 0; j < values; ++j) {
      const auto row = mine.subspan(j / layout.values * layout.row_bytes, layout.row_bytes);
      const size_t k = j % layout.values;
      const float value = FromE4m3(row[k]) * FromE8m0(row[layout.values + k / layout.scale_block]);
      sums[j % width] += std::isnan(value) ? 0 : std::clamp(value, -1.0F, 1.0F);
    }
    for (size_t i = 0; i < width; ++i) {
      uint16_t& state = hidden[token * width + i];
      state = ToBf16(FromBf16(state) + sums[i] * kGate);
    }
  }
}

absl::Status CheckInjection(const Gpu& gpu, const Kernels& kernels, const RowLayout& layout,
                            size_t width, Stream& stream) {
  std::vector<std::byte> rows(kCheckedTokens * layout.token_bytes());
  std::mt19937 random(1);
  for (std::byte& byte : rows) byte = static_cast<std::byte>(random() & 0xFF);
  std::vector<uint16_t> hidden(kCheckedTokens * width);
  for (size_t i = 0; i < hidden.size(); ++i) hidden[i] = ToBf16(static_cast<float>(i % 13 + 1));

  // Rows, then the hidden states, then the checksum; the first two are of whole 8 bytes.
  const auto hidden_bytes =
      absl::MakeSpan(reinterpret_cast<std::byte*>(hidden.data()), hidden.size() * sizeof(uint16_t));
  const size_t bytes = rows.size() + hidden_bytes.size();
  const absl::StatusOr<DeviceMemory> memory = gpu.Allocate(bytes + sizeof(uint64_t));
  if (!memory.ok()) return memory.status();
  const Injection injection{.rows = memory->get(),
                            .hidden = memory->get() + rows.size(),
                            .checksum = memory->get() + bytes,
                            .tokens = kCheckedTokens,
                            .width = width};
  std::vector<uint16_t> computed(hidden.size());
  uint64_t checksum = 0;
  stream.CopyToDevice(injection.rows, rows);
  stream.CopyToDevice(injection.hidden, hidden_bytes);
  stream.Clear(injection.checksum, sizeof(checksum));
  Inject(kernels, layout, injection, stream);
  stream.CopyToHost(computed.data(), injection.hidden, hidden_bytes.size());
  stream.CopyToHost(&checksum, injection.checksum, sizeof(checksum));
  if (absl::Status status = stream.Synchronize(); !status.ok()) return status;

  InjectOnHost(layout, rows, kCheckedTokens, absl::MakeSpan(hidden));
  const auto wrong = std::mismatch(hidden.begin(), hidden.end(), computed.begin());
  if (wrong.first != hidden.end()) {
    return absl::InternalError(
        absl::StrCat("the GPU adds rows wrongly: element ", wrong.first - hidden.begin(), " is ",
                     FromBf16(*wrong.second), " instead of ", FromBf16(*wrong.first)));
  }
  if (checksum != ChecksumRows(rows)) {
    return absl::InternalError("the GPU's checksum of rows is not the host's");
  }
  return absl::OkStatus();
}

}  // namespace engram::gpu_worker
