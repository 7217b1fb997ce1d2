// Groups of a hot set out of the image beside it.
#ifndef ENGRAM_STORAGE_FETCH_HOT_IMAGE_LOAD_H_
#define ENGRAM_STORAGE_FETCH_HOT_IMAGE_LOAD_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "storage/fetch/table_version.h"
#include "storage/hot/hot_image_file.h"
#include "storage/hot/hot_set_file.h"
#include "storage/placement/known_groups.h"

namespace engram::storage {

// Brings back those groups of an image that a hot set names, with what the hot set knows of their
// use; the others of the image were evicted since. Leaves out those that are pinned, which have
// their own way into RAM. Takes 16 bytes a group. For one thread at a
// time.
class HotImageLoad {
 public:
  // Reads `groups` to its end, and rewinds it. go_on: asked several times a second
  //   NOT_FOUND, FAILED_PRECONDITION, DATA_LOSS  as HotImageReader::Open, HotSetReader::Next
  //   CANCELLED                                  `go_on` returned false
  static absl::StatusOr<std::unique_ptr<HotImageLoad>> Open(const std::string& path,
                                                            const HotImageTable& table,
                                                            HotSetReader* groups,
                                                            absl::FunctionRef<bool()> go_on);

  bool AtEnd() const { return image_->AtEnd(); }

  // Offers the next block's groups to RAM (RamTier::Restore, RestoreRoom::kNone). Not at the end.
  //   DATA_LOSS  the block is damaged; none of its groups was offered
  absl::StatusOr<RestoreCounts> LoadNext(TableVersion& table);

  // Takes out of `groups`, which the hot set names, those that came back.
  void RemoveDone(KnownGroups* groups) const;

 private:
  struct Wanted {
    uint64_t hash;   // of its row ids; one of two groups with the same is taken for the other
    GroupPast past;  // no uses: the group came back
  };

  HotImageLoad(std::unique_ptr<HotImageReader> image, uint32_t group_size)
      : image_(std::move(image)), group_size_(group_size) {}

  //   DATA_LOSS, CANCELLED
  absl::Status Collect(HotSetReader* groups, absl::FunctionRef<bool()> go_on);
  uint64_t HashOf(const RowId* row_ids) const;
  // The index of the group in `wanted_`; its size: it is not there.
  size_t Find(const RowId* row_ids) const;
  bool IsWanted(size_t index) const;

  const std::unique_ptr<HotImageReader> image_;
  const uint32_t group_size_;
  std::vector<Wanted> wanted_;  // by hash
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_HOT_IMAGE_LOAD_H_
