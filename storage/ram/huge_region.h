// Memory in huge pages, charged to the RAM budget.
#ifndef ENGRAM_STORAGE_RAM_HUGE_REGION_H_
#define ENGRAM_STORAGE_RAM_HUGE_REGION_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "storage/ram/byte_budget.h"

namespace engram::storage {

inline constexpr uint64_t kSmallPageBytes = 4096;
inline constexpr uint64_t kHugePageBytes = uint64_t{2} << 20;

// A fixed range of addresses, aligned to 2 MiB, of which a prefix is usable memory. The prefix
// grows and shrinks in place, so that addresses stay valid; what is usable is charged to the
// budget, to the page, and reads as zeros when it is new. Transparent huge pages are asked for
// wherever 2 MiB are usable. Left out of core dumps. Not thread-safe, except that data() may be
// called at any time.
class HugeRegion {
 public:
  HugeRegion() = default;
  // Reserves addresses for `max_bytes`; takes no memory. A region that cannot be had (the address
  // space is limited) never grows.
  HugeRegion(std::shared_ptr<ByteBudget> budget, uint64_t max_bytes);
  ~HugeRegion();
  HugeRegion(const HugeRegion&) = delete;
  HugeRegion& operator=(const HugeRegion&) = delete;

  // What so many bytes take of the budget: whole pages.
  static uint64_t BytesTaken(uint64_t bytes);

  // Makes the first `bytes`, rounded up to a page, usable; leaves `headroom` bytes of the budget
  // free. Returns false, and changes nothing, if the budget or the system has no room, or max_bytes
  // would be exceeded.
  bool GrowTo(uint64_t bytes, uint64_t headroom = 0);

  // Returns what lies past the first `bytes`, rounded up to a page, to system and budget. Changes
  // nothing if the system refuses: see bytes().
  void ShrinkTo(uint64_t bytes);

  std::byte* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }  // usable, and charged
  uint64_t max_bytes() const { return max_bytes_; }

 private:
  const std::shared_ptr<ByteBudget> budget_;
  uint64_t max_bytes_ = 0;  // rounded up to a page; 0 if there are no addresses
  void* mapping_ = nullptr;
  uint64_t mapping_bytes_ = 0;
  std::byte* data_ = nullptr;
  uint64_t bytes_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_RAM_HUGE_REGION_H_
