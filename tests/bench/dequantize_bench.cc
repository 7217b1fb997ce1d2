#include "tests/bench/dequantize_bench.h"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "client/dequantize.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

constexpr size_t kValuesPerRun = size_t{1} << 24;

TableSpec V41Spec() {
  TableSpec spec;
  spec.row_bytes = 264;
  spec.value_format = ValueFormat::kFp8E4m3E8m0;
  spec.values_per_row = 256;
  spec.scale_block = 32;
  return spec;
}

// The values 0 to 255 of E4M3, as the library has them.
std::vector<float> ValueTable() {
  TableSpec spec = V41Spec();
  std::vector<std::byte> row(spec.row_bytes, std::byte{127});
  for (size_t value = 0; value < spec.values_per_row; ++value) row[value] = std::byte(value);
  std::vector<float> table(spec.values_per_row);
  return DequantizeToFp32(spec, row, absl::MakeSpan(table)).ok() ? table : std::vector<float>();
}

void TableLoop(const std::vector<float>& table, const TableSpec& spec,
               absl::Span<const std::byte> rows, float* to) {
  for (size_t row = 0; row < rows.size(); row += spec.row_bytes) {
    const std::byte* const scales = rows.data() + row + spec.values_per_row;
    for (uint32_t i = 0; i < spec.values_per_row; i += spec.scale_block) {
      const int exponent = static_cast<int>(scales[i / spec.scale_block]) - 127;
      const float scale = std::ldexp(1.0F, exponent);
      for (uint32_t j = i; j < i + spec.scale_block; ++j) {
        *to++ = table[static_cast<size_t>(rows[row + j])] * scale;
      }
    }
  }
}

// Values a second of a call that makes `values`.
template <typename Call>
double Rate(size_t values, const Call& call) {
  const size_t calls = 1 + kValuesPerRun / values;
  const auto start = std::chrono::steady_clock::now();
  for (size_t i = 0; i < calls; ++i) call();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  return static_cast<double>(calls * values) / seconds.count();
}

}  // namespace

absl::StatusOr<nlohmann::json> RunDequantizeBench(const DequantizeBenchOptions& options) {
  if (options.rows == 0 || options.rounds < kMinRounds) {
    return absl::InvalidArgumentError("dequantize: needs 5 rounds or more, and rows");
  }
  const TableSpec spec = V41Spec();
  const std::vector<float> table = ValueTable();
  std::mt19937 random(1);
  std::vector<std::byte> rows(options.rows * spec.row_bytes);
  for (std::byte& byte : rows) byte = std::byte(random() % 128);  // scales of normal numbers
  const size_t values = options.rows * spec.values_per_row;
  std::vector<float> fp32(values);
  std::vector<float> copy(values);
  std::vector<uint16_t> bf16(values);
  absl::Status status;
  std::vector<double> to_fp32;
  std::vector<double> to_bf16;
  std::vector<double> loop;
  std::vector<double> copying;
  for (int round = 0; round < options.rounds; ++round) {
    to_fp32.push_back(
        Rate(values, [&] { status.Update(DequantizeToFp32(spec, rows, absl::MakeSpan(fp32))); }));
    loop.push_back(Rate(values, [&] { TableLoop(table, spec, rows, copy.data()); }));
    to_bf16.push_back(
        Rate(values, [&] { status.Update(DequantizeToBf16(spec, rows, absl::MakeSpan(bf16))); }));
    copying.push_back(Rate(values, [&] {
      std::memcpy(copy.data(), fp32.data(), values * sizeof(float));
      fp32[0] = copy[values - 1];  // so that the copy is needed
    }));
  }
  if (!status.ok()) return status;
  return nlohmann::json{{"rows", options.rows},
                        {"rounds", options.rounds},
                        {"fp32_values_per_s", Median(to_fp32)},
                        {"bf16_values_per_s", Median(to_bf16)},
                        {"table_loop_values_per_s", Median(loop)},
                        {"ratio_to_table_loop", MedianRatio(to_fp32, loop)},
                        {"ratio_to_copy", MedianRatio(to_fp32, copying)}};
}

}  // namespace engram::bench
