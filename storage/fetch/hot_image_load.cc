#include "storage/fetch/hot_image_load.h"

#include <algorithm>

#include "absl/memory/memory.h"
#include "storage/ram/group_hash.h"

namespace engram::storage {
namespace {

constexpr size_t kGroupsOfOneRead = 32768;
// Groups copied before others get the cache's lock.
constexpr size_t kGroupsOfOneLock = 512;

}  // namespace

absl::StatusOr<std::unique_ptr<HotImageLoad>> HotImageLoad::Open(const std::string& path,
                                                                 const HotImageTable& table,
                                                                 HotSetReader* groups,
                                                                 absl::FunctionRef<bool()> go_on) {
  auto image = HotImageReader::Open(path, table);
  if (!image.ok()) return image.status();
  auto load = absl::WrapUnique(new HotImageLoad(*std::move(image), table.table.group_size));
  const absl::Status status = load->Collect(groups, go_on);
  groups->Rewind();
  if (!status.ok()) return status;
  return load;
}

absl::Status HotImageLoad::Collect(HotSetReader* groups, absl::FunctionRef<bool()> go_on) {
  wanted_.reserve(groups->groups());
  for (uint64_t read = 0; read < groups->groups();) {
    if (!go_on()) return absl::CancelledError("stopped");
    const auto part = groups->Next(kGroupsOfOneRead);
    if (!part.ok()) return part.status();
    read += part->size();
    for (size_t i = 0; i < part->size(); ++i) {
      if (part->pasts[i].pinned) continue;
      wanted_.push_back(
          {.hash = HashOf(part->row_ids.data() + i * group_size_), .past = part->pasts[i]});
    }
  }
  std::sort(wanted_.begin(), wanted_.end(),
            [](const Wanted& a, const Wanted& b) { return a.hash < b.hash; });
  return absl::OkStatus();
}

uint64_t HotImageLoad::HashOf(const RowId* row_ids) const {
  return HashGroup(row_ids, group_size_ * sizeof(RowId), /*seed=*/0);
}

size_t HotImageLoad::Find(const RowId* row_ids) const {
  const uint64_t hash = HashOf(row_ids);
  const auto found =
      std::lower_bound(wanted_.begin(), wanted_.end(), hash,
                       [](const Wanted& group, uint64_t value) { return group.hash < value; });
  const bool named = found != wanted_.end() && found->hash == hash;
  return static_cast<size_t>((named ? found : wanted_.end()) - wanted_.begin());
}

bool HotImageLoad::IsWanted(size_t index) const {
  return index < wanted_.size() && wanted_[index].past.uses > 0;
}

absl::StatusOr<RestoreCounts> HotImageLoad::LoadNext(TableVersion& table) {
  const absl::StatusOr<HotImageBlock> block = image_->Next();
  if (!block.ok()) return block.status();
  const size_t groups = block->row_ids.size() / group_size_;
  const size_t group_bytes = table.spec().group_bytes();
  RestoreCounts counts;
  std::vector<GroupPast> pasts;
  for (size_t begin = 0; begin < groups;) {
    // What stands side by side goes in together.
    pasts.clear();
    size_t end = begin;
    for (; end < groups && pasts.size() < kGroupsOfOneLock; ++end) {
      const size_t index = Find(block->row_ids.data() + end * group_size_);
      if (!IsWanted(index)) break;
      pasts.push_back(std::exchange(wanted_[index].past, GroupPast()));
    }
    if (!pasts.empty()) {
      counts += table.ram().Restore(
          block->row_ids.subspan(begin * group_size_, pasts.size() * group_size_),
          block->rows.data() + begin * group_bytes, pasts, RestoreRoom::kNone);
    }
    if (counts.refused > 0) break;
    begin = std::max(end, begin + 1);
  }
  return counts;
}

void HotImageLoad::RemoveDone(KnownGroups* groups) const {
  size_t kept = 0;
  for (size_t i = 0; i < groups->size(); ++i) {
    const RowId* const ids = groups->row_ids.data() + i * group_size_;
    if (!groups->pasts[i].pinned && !IsWanted(Find(ids))) continue;
    std::copy_n(ids, group_size_, groups->row_ids.begin() + kept * group_size_);
    groups->pasts[kept++] = groups->pasts[i];
  }
  groups->row_ids.resize(kept * group_size_);
  groups->pasts.resize(kept);
}

}  // namespace engram::storage
