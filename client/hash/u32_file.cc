#include "client/hash/u32_file.h"

#include <zstd.h>

#include <bit>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "client/hash/file_reader.h"

namespace engram {
namespace {

static_assert(std::endian::native == std::endian::little, "values are read as they stand");

constexpr size_t kBufferBytes = 256 << 10;

struct StreamFreer {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

// Collects bytes, in pieces of any size, as 32-bit numbers.
class Collector {
 public:
  Collector(const std::string& path, uint64_t max_values) : path_(path), max_values_(max_values) {}

  absl::Status Add(absl::Span<const char> piece) {
    const size_t end = bytes_ + piece.size();
    if (end > max_values_ * sizeof(uint32_t)) {
      return absl::InvalidArgumentError(
          absl::StrCat(path_, " holds more than ", max_values_, " numbers"));
    }
    values_.resize((end + sizeof(uint32_t) - 1) / sizeof(uint32_t));
    if (!piece.empty()) {
      std::memcpy(reinterpret_cast<char*>(values_.data()) + bytes_, piece.data(), piece.size());
    }
    bytes_ = end;
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<uint32_t>> Finish() {
    if (bytes_ % sizeof(uint32_t) != 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          path_, " holds ", bytes_, " bytes, which is no multiple of ", sizeof(uint32_t)));
    }
    return std::move(values_);
  }

 private:
  const std::string& path_;
  const uint64_t max_values_;
  size_t bytes_ = 0;
  std::vector<uint32_t> values_;
};

// Decompresses a zstd file into the collector as it is read, frame after frame.
class Decompressor {
 public:
  Decompressor(const std::string& path, Collector& collector)
      : path_(path), collector_(collector), stream_(ZSTD_createDStream()) {}

  absl::Status Add(absl::Span<const char> piece) {
    ZSTD_inBuffer in{piece.data(), piece.size(), 0};
    size_t produced = 0;
    // A full output buffer may mean that the stream holds back more.
    while (in.pos < in.size || produced == buffer_.size()) {
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      const size_t wanted = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(wanted) != 0) {
        return absl::DataLossError(
            absl::StrCat(path_, " is not a sound zstd file: ", ZSTD_getErrorName(wanted)));
      }
      in_frame_ = wanted != 0;
      produced = out.pos;
      if (absl::Status status = collector_.Add({buffer_.data(), produced}); !status.ok()) {
        return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status Finish() const {
    if (in_frame_) {
      return absl::DataLossError(absl::StrCat(path_, " is cut off: its zstd stream has no end"));
    }
    return absl::OkStatus();
  }

 private:
  const std::string& path_;
  Collector& collector_;
  std::unique_ptr<ZSTD_DStream, StreamFreer> stream_;
  std::vector<char> buffer_ = std::vector<char>(kBufferBytes);
  bool in_frame_ = true;  // an empty file holds no frame at all
};

}  // namespace

absl::StatusOr<std::vector<uint32_t>> ReadU32File(const std::string& path, uint64_t max_values) {
  Collector collector(path, max_values);
  absl::Status status;
  if (absl::EndsWith(path, ".zst")) {
    Decompressor decompressor(path, collector);
    status =
        ReadInPieces(path, [&](absl::Span<const char> piece) { return decompressor.Add(piece); });
    if (status.ok()) {
      status = decompressor.Finish();
    }
  } else {
    status = ReadInPieces(path, [&](absl::Span<const char> piece) { return collector.Add(piece); });
  }
  if (!status.ok()) {
    return status;
  }
  return collector.Finish();
}

}  // namespace engram
