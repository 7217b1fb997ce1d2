#include "storage/import/packed_rows.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"

namespace engram::storage {
namespace {

// Read and interleaved at a time: large enough for the disk, small enough to stay in L2.
constexpr uint64_t kChunkBytes = 512 << 10;

// One component of all rows of a table, in one tensor or in several that follow one another.
class Plane {
 public:
  explicit Plane(std::vector<Tensor> parts)
      : row_bytes_(parts.front().bytes / parts.front().shape[0]), parts_(std::move(parts)) {
    uint64_t rows = 0;
    for (const Tensor& part : parts_) {
      assert(part.bytes == part.shape[0] * row_bytes_);
      ends_.push_back(rows += part.shape[0]);
    }
  }

  uint64_t row_bytes() const { return row_bytes_; }

  absl::Status Read(uint64_t first, uint64_t count, std::byte* out) const {
    absl::Status status;
    ForEachRange(first, count, [&](const InputFile& file, uint64_t offset, uint64_t bytes) {
      if (status.ok()) status = file.ReadAt(offset, absl::MakeSpan(out, bytes));
      out += bytes;
    });
    return status;
  }

  void Forget(uint64_t first, uint64_t count) const {
    ForEachRange(first, count, [](const InputFile& file, uint64_t offset, uint64_t bytes) {
      file.Forget(offset, bytes);
    });
  }

 private:
  // Calls visit(file, offset, bytes) for the pieces of files that hold rows, in order.
  template <typename Visit>
  void ForEachRange(uint64_t first, uint64_t count, Visit visit) const {
    size_t i =
        static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), first) - ends_.begin());
    for (; count > 0; ++i) {
      const Tensor& part = parts_[i];
      const uint64_t skipped = first - (ends_[i] - part.shape[0]);
      const uint64_t taken = std::min(count, ends_[i] - first);
      visit(*part.file, part.offset + skipped * row_bytes_, taken * row_bytes_);
      first += taken;
      count -= taken;
    }
  }

  uint64_t row_bytes_;
  std::vector<Tensor> parts_;
  std::vector<uint64_t> ends_;  // for each part, the rows up to its end
};

// Copies rows of two planes side by side. Inlined for a known width, the copies are a few vector
// moves each.
template <size_t kLeft, size_t kRight>
void InterleaveFixed(const std::byte* left, const std::byte* right, uint64_t rows, std::byte* out) {
  for (uint64_t i = 0; i < rows; ++i) {
    std::memcpy(out, left, kLeft);
    std::memcpy(out + kLeft, right, kRight);
    left += kLeft;
    right += kRight;
    out += kLeft + kRight;
  }
}

void Interleave(const std::byte* left, size_t left_bytes, const std::byte* right,
                size_t right_bytes, uint64_t rows, std::byte* out) {
  if (left_bytes == 256 && right_bytes == 8) return InterleaveFixed<256, 8>(left, right, rows, out);
  for (uint64_t i = 0; i < rows; ++i) {
    std::memcpy(out, left, left_bytes);
    std::memcpy(out + left_bytes, right, right_bytes);
    left += left_bytes;
    right += right_bytes;
    out += left_bytes + right_bytes;
  }
}

class PackedRows : public RowSource {
 public:
  PackedRows(const TableSpec& spec, const TableTensors& tensors, std::string description)
      : spec_(spec), description_(std::move(description)), values_(tensors.weights) {
    if (HasScalesInRows(spec)) scales_.emplace(std::vector<Tensor>{*tensors.scale});
    assert(values_.row_bytes() + (scales_ ? scales_->row_bytes() : 0) == spec.row_bytes);
  }

  const TableSpec& spec() const override { return spec_; }
  const std::string& description() const override { return description_; }

  absl::Status ReadRows(uint64_t first, uint64_t count, absl::Span<std::byte> out) const override {
    assert(first <= spec_.rows && count <= spec_.rows - first);
    assert(out.size() == count * spec_.row_bytes);
    absl::Status status = scales_ ? ReadInterleaved(first, count, out.data())
                                  : values_.Read(first, count, out.data());
    values_.Forget(first, count);
    if (scales_) scales_->Forget(first, count);
    return status;
  }

 private:
  absl::Status ReadInterleaved(uint64_t first, uint64_t count, std::byte* out) const {
    const uint64_t rows_at_once = std::max<uint64_t>(1, kChunkBytes / spec_.row_bytes);
    const uint64_t scratch_rows = std::min(rows_at_once, count);
    auto scratch = std::make_unique_for_overwrite<std::byte[]>(scratch_rows * spec_.row_bytes);
    std::byte* const values = scratch.get();
    std::byte* const scales = values + scratch_rows * values_.row_bytes();
    for (uint64_t done = 0; done < count;) {
      const uint64_t rows = std::min(rows_at_once, count - done);
      absl::Status status = values_.Read(first + done, rows, values);
      if (status.ok()) status = scales_->Read(first + done, rows, scales);
      if (!status.ok()) return status;
      Interleave(values, values_.row_bytes(), scales, scales_->row_bytes(), rows,
                 out + done * spec_.row_bytes);
      done += rows;
    }
    return absl::OkStatus();
  }

  const TableSpec spec_;
  const std::string description_;
  const Plane values_;
  std::optional<Plane> scales_;
};

}  // namespace

std::unique_ptr<RowSource> MakePackedRows(const TableSpec& spec, const TableTensors& tensors,
                                          std::string description) {
  return std::make_unique<PackedRows>(spec, tensors, std::move(description));
}

}  // namespace engram::storage
