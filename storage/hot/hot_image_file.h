// A table's hot image on disk: groups that RAM held, rows and all, to be read in sequence. Which of
// them are wanted, and what is known of their use, the hot set says. Format: storage/README.md.
#ifndef ENGRAM_STORAGE_HOT_HOT_IMAGE_FILE_H_
#define ENGRAM_STORAGE_HOT_HOT_IMAGE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/hot/hot_set_file.h"
#include "storage/hot/replaced_file.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Version of the file's format.
inline constexpr uint32_t kHotImageVersion = 1;

// The table that an image belongs to.
struct HotImageTable {
  HotSetTable table;
  uint32_t row_bytes = 0;

  size_t id_bytes() const { return table.group_size * sizeof(RowId); }
  size_t row_bytes_of_group() const { return size_t{table.group_size} * row_bytes; }
  size_t group_bytes() const { return id_bytes() + row_bytes_of_group(); }
};

// What an image of so many groups takes on disk, give or take a few KiB a GiB.
uint64_t HotImageBytes(const HotImageTable& table, uint64_t groups);

// Writes an image. For one thread at a time.
class HotImageWriter {
 public:
  // stamp: another one for each image, so that no block is taken for one of another image
  // Errors are those of ReplacedFile, for all functions here.
  static absl::StatusOr<std::unique_ptr<HotImageWriter>> Create(const std::string& path,
                                                                const HotImageTable& table,
                                                                uint64_t stamp,
                                                                FileCalls calls = {});

  //   row_ids: [groups x group_size];  rows: [row_ids x row_bytes]
  absl::Status Append(absl::Span<const RowId> row_ids, absl::Span<const std::byte> rows);

  // Puts the image in the place of the one before. Without it, all is as it was.
  absl::Status Commit();

  uint64_t groups() const { return groups_; }
  // Written so far.
  uint64_t bytes() const { return bytes_; }

 private:
  HotImageWriter(std::unique_ptr<ReplacedFile> file, const HotImageTable& table);

  absl::Status Write(absl::Span<const std::byte> bytes);
  absl::Status WriteBlock();

  const std::unique_ptr<ReplacedFile> file_;
  const HotImageTable table_;
  const size_t groups_of_block_;
  uint64_t salt_ = 0;  // of the checksums
  uint64_t blocks_ = 0;
  uint64_t groups_ = 0;
  uint64_t bytes_ = 0;
  // Of the block that is being filled.
  std::vector<RowId> row_ids_;
  std::vector<std::byte> rows_;
};

// Some groups of an image, as they were written.
struct HotImageBlock {
  absl::Span<const RowId> row_ids;   // [groups x group_size], all below the table's rows
  absl::Span<const std::byte> rows;  // [row_ids x row_bytes]
};

// Reads an image, ahead of what it is asked for. For one thread at a time; goes on reading the same
// file when another takes its place.
class HotImageReader {
 public:
  // Checks all but the blocks.
  //   NOT_FOUND            there is no file
  //   FAILED_PRECONDITION  it is another table's, or of a newer format
  //   DATA_LOSS            it is damaged or not whole, or cannot be read
  static absl::StatusOr<std::unique_ptr<HotImageReader>> Open(const std::string& path,
                                                              const HotImageTable& table);
  ~HotImageReader();

  HotImageReader(const HotImageReader&) = delete;
  HotImageReader& operator=(const HotImageReader&) = delete;

  uint64_t groups() const { return groups_; }
  bool AtEnd() const { return next_group_ == groups_; }

  // The next block, checked; valid until the next call. Not at the end.
  //   DATA_LOSS  it is damaged or cannot be read; the next one may be right
  absl::StatusOr<HotImageBlock> Next();

 private:
  HotImageReader(std::string path, const HotImageTable& table, int fd)
      : path_(std::move(path)), table_(table), fd_(fd) {}

  absl::Status CheckHeader();
  absl::Status CheckEnd();
  // Reads as many bytes as `out` holds.
  bool Read(uint64_t offset, absl::Span<std::byte> out) const;
  absl::Status Damaged(absl::string_view what) const;

  const std::string path_;
  const HotImageTable table_;
  const int fd_;
  uint32_t groups_of_block_ = 0;
  uint64_t salt_ = 0;  // of the checksums
  uint64_t groups_ = 0;
  uint64_t next_group_ = 0;
  std::vector<std::byte> buffer_;  // a block
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_HOT_HOT_IMAGE_FILE_H_
