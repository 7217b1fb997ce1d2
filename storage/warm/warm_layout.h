// How the warm tier lays its records out.
#ifndef ENGRAM_STORAGE_WARM_WARM_LAYOUT_H_
#define ENGRAM_STORAGE_WARM_WARM_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "storage/cold/segment_store.h"
#include "storage/table_spec.h"

namespace engram::storage {

// A record is a group's row ids, then its rows; one record a row of a SegmentStore. A segment
// starts with its directory, which takes the place of some records: for each record after it the
// group's row ids and its uses (4 bytes; 0: there is no record). From the directories the index is
// built again at a start. Integers are little-endian.
class WarmLayout {
 public:
  // As many segments as `disk_bytes` have room for, beside one that is being written; `segments()`
  // is 0 if it is none. Segments take up to `segment_bytes`.
  WarmLayout(const TableSpec& spec, uint64_t disk_bytes, uint64_t segment_bytes);

  const SegmentShape& shape() const { return shape_; }
  uint64_t segments() const { return shape_.segments; }
  uint32_t record_bytes() const { return shape_.row_bytes; }
  size_t id_bytes() const { return id_bytes_; }
  size_t group_bytes() const { return group_bytes_; }
  size_t entry_bytes() const { return id_bytes_ + sizeof(uint32_t); }

  // Slots of a segment: first those of the directory, then those of records.
  uint32_t segment_slots() const { return segment_slots_; }
  uint32_t directory_slots() const { return directory_slots_; }
  uint32_t segment_records() const { return segment_slots_ - directory_slots_; }
  uint32_t slots() const { return static_cast<uint32_t>(segments() * segment_slots_); }
  uint32_t first_slot(uint64_t segment) const {
    return static_cast<uint32_t>(segment * segment_slots_);
  }
  uint32_t first_record(uint64_t segment) const { return first_slot(segment) + directory_slots_; }

 private:
  size_t id_bytes_;
  size_t group_bytes_;
  SegmentShape shape_;
  uint32_t segment_slots_ = 0;
  uint32_t directory_slots_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_WARM_WARM_LAYOUT_H_
