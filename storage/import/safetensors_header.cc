#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/import/json_events.h"
#include "storage/import/safetensors_file.h"

namespace engram::storage {
namespace {

constexpr size_t kMaxRank = 16;
constexpr uint64_t kLengthBytes = 8;

// {"__metadata__": {KEY: STRING, ...}, NAME: {"dtype": ..., "shape": [...], "data_offsets": [b,
// e]}}
class HeaderEvents : public JsonEvents {
 public:
  explicit HeaderEvents(uint64_t data_start, uint64_t file_bytes)
      : data_start_(data_start), data_bytes_(file_bytes - data_start) {}

  bool start_object(size_t /*elements*/) override {
    switch (place_) {
      case Place::kDocument:
        place_ = Place::kTop;
        return true;
      case Place::kTop:
        place_ = tensor_.name == "__metadata__" ? Place::kMetadata : Place::kTensor;
        return true;
      default:
        return Unexpected("an object");
    }
  }

  bool key(string_t& value) override {
    switch (place_) {
      case Place::kTop:
        tensor_ = Tensor();
        tensor_.name = std::move(value);
        has_type_ = has_shape_ = has_offsets_ = false;
        offsets_.clear();
        field_ = Field::kNone;
        if (tensor_.name == "__metadata__") {
          if (std::exchange(has_metadata_, true)) return Fail(Where() + " occurs twice");
        } else if (tensors_.contains(tensor_.name)) {
          return Fail(Where() + " occurs twice");
        }
        return true;
      case Place::kTensor:
        return StartField(value);
      default:
        return true;  // in the metadata, which is free text
    }
  }

  bool string(string_t& value) override {
    if (place_ == Place::kMetadata) return true;
    if (place_ != Place::kTensor || field_ != Field::kType) return Unexpected("a string");
    const std::optional<TensorType> type = TensorTypeFromName(value);
    if (!type) return Fail(absl::StrCat(Where(), ": unknown dtype ", Quoted(value)));
    tensor_.type = *type;
    return true;
  }

  bool start_array(size_t /*elements*/) override {
    if (place_ != Place::kTensor || field_ == Field::kNone || field_ == Field::kType) {
      return Unexpected("an array");
    }
    place_ = Place::kArray;
    return true;
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::kArray) return Unexpected("a number");
    std::vector<uint64_t>& numbers = field_ == Field::kShape ? tensor_.shape : offsets_;
    const size_t most = field_ == Field::kShape ? kMaxRank : 2;
    if (numbers.size() == most) {
      return Fail(absl::StrCat(Where(), ": has more than ", most, " numbers"));
    }
    numbers.push_back(value);
    return true;
  }

  bool end_array() override {
    place_ = Place::kTensor;
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTop) {
      place_ = Place::kDocument;
      return true;
    }
    if (place_ == Place::kTensor && !FinishTensor()) return false;
    place_ = Place::kTop;
    return true;
  }

  TensorsByName&& tensors() { return std::move(tensors_); }

 protected:
  std::string Where() const override {
    if (place_ == Place::kDocument) return "header";
    if (tensor_.name == "__metadata__") return "header: __metadata__";
    std::string where = absl::StrCat("tensor ", Quoted(tensor_.name));
    if (field_ != Field::kNone) absl::StrAppend(&where, ": ", FieldName(field_));
    return where;
  }

 private:
  enum class Place { kDocument, kTop, kMetadata, kTensor, kArray };
  enum class Field { kNone, kType, kShape, kOffsets };

  static absl::string_view FieldName(Field field) {
    constexpr std::array<absl::string_view, 4> kNames = {"", "dtype", "shape", "data_offsets"};
    return kNames[static_cast<size_t>(field)];
  }

  bool StartField(absl::string_view name) {
    field_ = Field::kNone;
    for (const auto& [field, seen] :
         {std::pair(Field::kType, &has_type_), std::pair(Field::kShape, &has_shape_),
          std::pair(Field::kOffsets, &has_offsets_)}) {
      if (name != FieldName(field)) continue;
      field_ = field;
      if (std::exchange(*seen, true)) return Fail(Where() + " occurs twice");
      return true;
    }
    return Fail(absl::StrCat(Where(), ": unknown field ", Quoted(name)));
  }

  // Takes over the tensor whose description has ended.
  bool FinishTensor() {
    field_ = Field::kNone;
    if (!has_type_) return Fail(Where() + ": dtype is missing");
    if (!has_shape_) return Fail(Where() + ": shape is missing");
    if (!has_offsets_) return Fail(Where() + ": data_offsets is missing");
    if (offsets_.size() != 2) {
      return Fail(Where() + ": data_offsets is not a begin and an end");
    }
    const uint64_t begin = offsets_[0];
    const uint64_t end = offsets_[1];
    if (begin > end) {
      return Fail(
          absl::StrCat(Where(), ": data_offsets begin at ", begin, " and end before, at ", end));
    }
    const std::optional<uint64_t> bytes = ByteSize(tensor_.type, tensor_.shape);
    if (!bytes) {
      return Fail(absl::StrCat(Where(), ": ", tensor_.TypeAndShape(), " has no size in bytes"));
    }
    if (*bytes != end - begin) {
      return Fail(absl::StrCat(Where(), ": data_offsets hold ", end - begin, " bytes, but ",
                               tensor_.TypeAndShape(), " takes ", *bytes));
    }
    if (end > data_bytes_) {
      return Fail(absl::StrCat(Where(), ": data_offsets end at ", end, ", but the file holds ",
                               data_bytes_, " bytes of data: it is truncated"));
    }
    tensor_.offset = data_start_ + begin;
    tensor_.bytes = *bytes;
    std::string name = tensor_.name;
    tensors_.emplace(std::move(name), tensor_);
    return true;
  }

  const uint64_t data_start_;
  const uint64_t data_bytes_;
  Place place_ = Place::kDocument;
  Field field_ = Field::kNone;
  Tensor tensor_;  // the one that is being read
  std::vector<uint64_t> offsets_;
  bool has_type_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
  bool has_metadata_ = false;
  TensorsByName tensors_;
};

absl::Status CheckCoverage(const TensorsByName& tensors, uint64_t data_start, uint64_t file_bytes,
                           absl::string_view path) {
  std::vector<const Tensor*> sorted;
  sorted.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const Tensor* a, const Tensor* b) {
    return std::pair(a->offset, a->bytes) < std::pair(b->offset, b->bytes);
  });
  uint64_t end = data_start;
  const Tensor* before = nullptr;
  for (const Tensor* tensor : sorted) {
    if (tensor->offset < end) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": tensor ", Quoted(tensor->name),
                                                     " overlaps tensor ", Quoted(before->name)));
    }
    if (tensor->offset > end) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", tensor->offset - end,
                                                     " bytes before tensor ", Quoted(tensor->name),
                                                     " belong to no tensor"));
    }
    end = tensor->offset + tensor->bytes;
    before = tensor;
  }
  if (end < file_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the last ", file_bytes - end, " bytes belong to no tensor"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TensorsByName> ParseSafetensorsHeader(absl::string_view header, uint64_t file_bytes,
                                                     absl::string_view path) {
  if (header.empty() || header.front() != '{') {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": header does not begin with '{': is this a safetensors file?"));
  }
  const uint64_t data_start = kLengthBytes + header.size();
  if (data_start > file_bytes) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": truncated: header of ", header.size(),
                                                   " bytes in a file of ", file_bytes));
  }
  HeaderEvents events(data_start, file_bytes);
  absl::Status status = ParseJson(header, path, events);
  if (!status.ok()) return status;
  TensorsByName tensors = events.tensors();
  status = CheckCoverage(tensors, data_start, file_bytes, path);
  if (!status.ok()) return status;
  return tensors;
}

}  // namespace engram::storage
