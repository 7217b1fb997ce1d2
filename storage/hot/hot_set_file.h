// A table's hot set on disk: which groups RAM held, and what was known of their use. Ids only, no
// rows: whatever stands in the file, rows are read where they are checked. Format:
// storage/README.md.
#ifndef ENGRAM_STORAGE_HOT_HOT_SET_FILE_H_
#define ENGRAM_STORAGE_HOT_HOT_SET_FILE_H_

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "storage/hot/replaced_file.h"
#include "storage/placement/known_groups.h"
#include "storage/row_digest.h"
#include "storage/table_spec.h"

namespace engram::storage {

// Version of the file's format. Files of version 1, in which no group is pinned, are read as well.
inline constexpr uint32_t kHotSetVersion = 2;

// The table that a file belongs to.
struct HotSetTable {
  uint64_t uid = 0;
  Digest digest;
  uint64_t rows = 0;
  uint32_t group_size = 1;
};

// Writes a file, pinned groups first, then most worthy ones. For one thread at a time.
class HotSetWriter {
 public:
  // knowledge: RamTier::Knowledge. Errors are those of ReplacedFile, for all functions here.
  static absl::StatusOr<std::unique_ptr<HotSetWriter>> Create(const std::string& path,
                                                              const HotSetTable& table,
                                                              absl::Span<const float> knowledge,
                                                              FileCalls calls = {});

  absl::Status Append(const KnownGroups& groups);

  // Puts the file in the place of the one before. Without it, all is as it was.
  absl::Status Commit();

  uint64_t groups() const { return groups_; }

 private:
  HotSetWriter(std::unique_ptr<ReplacedFile> file, uint32_t group_size)
      : file_(std::move(file)), group_size_(group_size) {}

  absl::Status Write(absl::Span<const std::byte> bytes);

  const std::unique_ptr<ReplacedFile> file_;
  const uint32_t group_size_;
  RowDigest checksum_;
  uint64_t groups_ = 0;
};

// Reads a file that is all there and as it was written. For one thread at a time; goes on reading
// the same file when another takes its place.
class HotSetReader {
 public:
  // Checks every byte.
  //   NOT_FOUND            there is no file
  //   FAILED_PRECONDITION  it is another table's, or of a newer format
  //   DATA_LOSS            it is damaged, or cannot be read
  static absl::StatusOr<std::unique_ptr<HotSetReader>> Open(const std::string& path,
                                                            const HotSetTable& table);

  uint64_t groups() const { return groups_; }
  const std::vector<float>& knowledge() const { return knowledge_; }

  // The next groups, `most` of them if there are as many; all ids are the table's.
  //   DATA_LOSS
  absl::StatusOr<KnownGroups> Next(size_t most);

  // Next begins anew, with the first group.
  void Rewind();

 private:
  HotSetReader(std::string path, const HotSetTable& table)
      : path_(std::move(path)), table_(table), in_(path_, std::ios::binary) {}

  absl::Status CheckHeader();
  absl::Status CheckContent();
  // Reads as many bytes as `out` holds.
  bool Read(absl::Span<std::byte> out);
  absl::Status Damaged(absl::string_view what) const;

  const std::string path_;
  const HotSetTable table_;
  std::ifstream in_;
  RowDigest checksum_;
  uint8_t known_flags_ = 0;  // that the file's version allows
  std::streamoff begin_ = 0;  // of the groups
  uint64_t groups_ = 0;
  uint64_t left_ = 0;
  std::vector<float> knowledge_;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_HOT_HOT_SET_FILE_H_
