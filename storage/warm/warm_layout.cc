#include "storage/warm/warm_layout.h"

#include <algorithm>

#include "storage/ram/group_index.h"

namespace engram::storage {

WarmLayout::WarmLayout(const TableSpec& spec, uint64_t disk_bytes, uint64_t segment_bytes)
    : id_bytes_(spec.group_size * sizeof(RowId)), group_bytes_(spec.group_bytes()) {
  constexpr uint64_t kMinSegments = 4;  // beside the one that is being written
  shape_.row_bytes = static_cast<uint32_t>(id_bytes_ + group_bytes_);
  const uint64_t page_bytes = shape_.layout().page_file_bytes();
  shape_.pages = std::min(segment_bytes, disk_bytes / (kMinSegments + 1)) / page_bytes;
  while (shape_.pages > 0 && shape_.segment_disk_bytes() * (kMinSegments + 1) > disk_bytes) {
    --shape_.pages;
  }
  const uint64_t records = shape_.rows_per_segment();
  directory_slots_ =
      static_cast<uint32_t>((records * entry_bytes() + shape_.row_bytes + entry_bytes() - 1) /
                            (shape_.row_bytes + entry_bytes()));
  segment_slots_ = static_cast<uint32_t>(records);
  if (records <= directory_slots_) return;
  shape_.segments = disk_bytes / shape_.segment_disk_bytes() - 1;
  shape_.segments = std::min(shape_.segments, (kMaxSlots - 1) / records);
}

}  // namespace engram::storage
