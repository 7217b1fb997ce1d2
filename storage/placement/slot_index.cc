#include "storage/placement/slot_index.h"

#include <cassert>

namespace engram::storage {

SlotIndex::SlotIndex(uint32_t slots) : hashes_(slots), places_(size_t{slots} * 2) {
  assert(slots > 0 && slots <= kMaxSlots);
}

void SlotIndex::Insert(uint64_t hash, uint32_t slot) {
  size_t place = Home(hash);
  while (places_[place] != 0) place = After(place);
  places_[place] = slot + 1;
  hashes_[slot] = hash;
}

void SlotIndex::Remove(uint32_t slot) {
  size_t hole = Home(hashes_[slot]);
  while (places_[hole] != slot + 1) hole = After(hole);
  // Those behind it move up, unless that were before their home.
  for (size_t i = After(hole); places_[i] != 0; i = After(i)) {
    const size_t home = Home(hashes_[places_[i] - 1]);
    if (Distance(home, i) < Distance(hole, i)) continue;
    places_[hole] = places_[i];
    hole = i;
  }
  places_[hole] = 0;
}

}  // namespace engram::storage
