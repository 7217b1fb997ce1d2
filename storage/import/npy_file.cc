#include "storage/import/npy_file.h"

#include <array>
#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "storage/import/input_file.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kMagic = "\x93NUMPY";
constexpr uint64_t kMaxHeaderBytes = 1 << 20;

absl::Status NpyError(const std::string& path, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
}

// Where the header begins and how long it is.
struct HeaderPlace {
  uint64_t begin = 0;
  uint64_t bytes = 0;
};

absl::StatusOr<HeaderPlace> FindHeader(const InputFile& file) {
  std::array<std::byte, 12> prefix{};  // magic, version, length of 2 or 4 bytes
  if (file.size() < prefix.size()) {
    return NpyError(file.path(), absl::StrCat("has ", file.size(), " bytes, too few for .npy"));
  }
  absl::Status status = file.ReadAt(0, absl::MakeSpan(prefix));
  if (!status.ok()) return status;
  const auto byte = [&](size_t i) { return std::to_integer<uint64_t>(prefix[i]); };
  for (size_t i = 0; i < kMagic.size(); ++i) {
    if (byte(i) != static_cast<unsigned char>(kMagic[i])) {
      return NpyError(file.path(), "does not begin with the magic of .npy");
    }
  }
  HeaderPlace place;
  if (byte(6) == 1 && byte(7) == 0) {
    place = {.begin = 10, .bytes = byte(8) | byte(9) << 8};
  } else if ((byte(6) == 2 || byte(6) == 3) && byte(7) == 0) {
    place = {.begin = 12, .bytes = byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24};
  } else {
    return NpyError(file.path(), absl::StrCat(".npy version ", byte(6), ".", byte(7),
                                              ", can read 1.0, 2.0 and 3.0"));
  }
  if (place.bytes > kMaxHeaderBytes) {
    return NpyError(file.path(),
                    absl::StrCat("header of ", place.bytes, " bytes, may have ", kMaxHeaderBytes));
  }
  if (place.bytes > file.size() - place.begin) {
    return NpyError(file.path(), absl::StrCat("truncated: header of ", place.bytes,
                                              " bytes in a file of ", file.size()));
  }
  return place;
}

}  // namespace

absl::StatusOr<Tensor> OpenNpy(const std::string& path) {
  absl::StatusOr<std::shared_ptr<const InputFile>> opened = InputFile::Open(path);
  if (!opened.ok()) return opened.status();
  const InputFile& file = **opened;
  absl::StatusOr<HeaderPlace> place = FindHeader(file);
  if (!place.ok()) return place.status();
  std::string header(place->bytes, '\0');
  absl::Status status =
      file.ReadAt(place->begin, {reinterpret_cast<std::byte*>(header.data()), header.size()});
  if (!status.ok()) return status;
  absl::StatusOr<Tensor> tensor = ParseNpyHeader(header, path);
  if (!tensor.ok()) return tensor.status();
  tensor->offset = place->begin + place->bytes;
  const uint64_t data_bytes = file.size() - tensor->offset;
  if (tensor->bytes != data_bytes) {
    return NpyError(path, absl::StrCat(tensor->bytes > data_bytes ? "truncated: " : "", "holds ",
                                       data_bytes, " bytes of data, but ", tensor->TypeAndShape(),
                                       " takes ", tensor->bytes));
  }
  tensor->file = *opened;
  return tensor;
}

}  // namespace engram::storage
