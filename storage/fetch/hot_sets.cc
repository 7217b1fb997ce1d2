#include "storage/fetch/hot_sets.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "spdlog/spdlog.h"
#include "storage/hot/disk_room.h"
#include "storage/hot/hot_set_file.h"

namespace engram::storage {
namespace {

namespace fs = std::filesystem;

// Groups copied before others get the cache's lock.
constexpr size_t kGroupsOfOneLock = 4096;

std::unique_ptr<HotImages> NewImages(const HotSetsOptions& options) {
  if (options.image_bytes_per_s == 0 || options.period <= absl::ZeroDuration()) return nullptr;
  return std::make_unique<HotImages>(HotImagesOptions{
      .folder = options.folder, .bytes_per_s = options.image_bytes_per_s, .calls = options.calls});
}

}  // namespace

HotSets::HotSets(HotSetsOptions options)
    : options_(std::move(options)), images_(NewImages(options_)) {}

HotSets::~HotSets() {
  saver_.reset();
  if (images_ != nullptr) images_->Stop();
  if (options_.period > absl::ZeroDuration()) SaveAll();
  if (images_ != nullptr) images_->WriteLast();
}

std::string HotSets::PathOf(uint64_t uid) const { return absl::StrCat(options_.folder, "/", uid); }

std::string HotSets::ImagePathOf(uint64_t uid) const {
  return options_.image_bytes_per_s == 0 ? "" : HotImages::PathOf(options_.folder, uid);
}

void HotSets::Add(uint64_t uid, const std::shared_ptr<TableVersion>& table) {
  absl::MutexLock lock(&mutex_);
  entries_[uid].table = table;
}

void HotSets::Drop(uint64_t uid) {
  {
    absl::MutexLock lock(&mutex_);
    entries_.erase(uid);
  }
  std::error_code ignored;  // the next start tries again
  fs::remove(PathOf(uid), ignored);
  if (images_ != nullptr) images_->Drop(uid);
}

void HotSets::RemoveUnknown() const {
  std::set<std::string> known;
  for (const auto& [uid, entry] : entries_) known.insert({PathOf(uid), ImagePathOf(uid)});
  std::error_code error;
  std::vector<fs::path> unknown;
  for (const fs::directory_entry& file : fs::directory_iterator(options_.folder, error)) {
    if (!known.contains(file.path())) unknown.push_back(file.path());
  }
  for (const fs::path& path : unknown) {
    if (!fs::remove(path, error)) {
      spdlog::warn("{} is of no table, and cannot be removed", path.string());
    }
  }
}

void HotSets::Start() {
  absl::MutexLock lock(&mutex_);
  RemoveUnknown();
  if (options_.period <= absl::ZeroDuration()) return;
  for (const auto& [uid, entry] : entries_) {
    std::error_code error;
    const auto table = entry.table.lock();
    if (table != nullptr && fs::exists(PathOf(uid), error)) {
      loader_.Load(table, PathOf(uid), ImagePathOf(uid), HotImages::IdOf(uid, *table).table);
    }
  }
  saver_ = std::make_unique<PlacementThread>();
  saver_->AddStep("hot sets", options_.period, [this](absl::Time /*now*/) { SaveAll(); });
}

void HotSets::SaveAll() {
  absl::MutexLock saving(&save_mutex_);
  std::map<uint64_t, Entry> entries;
  {
    absl::MutexLock lock(&mutex_);
    entries = entries_;
  }
  for (const auto& [uid, entry] : entries) SaveIfUsed(uid, entry);
}

void HotSets::SaveIfUsed(uint64_t uid, const Entry& entry) {
  const std::shared_ptr<TableVersion> table = entry.table.lock();
  if (table == nullptr || table->loading_groups_left() > 0) return;
  if (table->RamChanges() != entry.saved) SaveAndNote(uid, *table);
}

bool HotSets::SaveNow(TableVersion& table) {
  if (options_.period <= absl::ZeroDuration()) return false;
  absl::MutexLock saving(&save_mutex_);
  std::optional<uint64_t> uid;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [known, entry] : entries_) {
      if (entry.table.lock().get() == &table) uid = known;
    }
  }
  return uid.has_value() && SaveAndNote(*uid, table);
}

bool HotSets::SaveAndNote(uint64_t uid, TableVersion& table) {
  const uint64_t changes = table.RamChanges();
  const absl::Time start = absl::Now();
  const absl::StatusOr<uint64_t> groups = Save(uid, table);
  if (!groups.ok()) {
    spdlog::warn("what RAM holds of table {} v{} was not saved: {}", table.identity().name,
                 table.identity().version, std::string(groups.status().message()));
    return false;
  }
  spdlog::debug("saved {} groups that RAM holds of table {} v{} in {}", *groups,
                table.identity().name, table.identity().version,
                absl::FormatDuration(absl::Now() - start));
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(uid);
  if (found == entries_.end()) {  // dropped meanwhile
    std::error_code ignored;
    fs::remove(PathOf(uid), ignored);
    return false;
  }
  found->second.saved = changes;
  const std::shared_ptr<TableVersion> held = found->second.table.lock();
  if (images_ != nullptr && *groups > 0 && held != nullptr) images_->Offer(uid, held);
  return true;
}

absl::StatusOr<uint64_t> HotSets::Save(uint64_t uid, TableVersion& table) const {
  const std::vector<SlotId> slots = table.ram().SlotsByWorth();
  if (slots.empty()) return 0;
  std::error_code error;
  fs::create_directory(options_.folder, error);  // whether it is there the writer will see
  const uint64_t most_bytes = slots.size() * (table.spec().group_size * sizeof(RowId) + 8);
  if (absl::Status status = CheckDiskRoom(options_.folder, most_bytes); !status.ok()) {
    return status;
  }
  auto writer = HotSetWriter::Create(PathOf(uid), HotImages::IdOf(uid, table).table,
                                     table.ram().Knowledge(), options_.calls);
  if (!writer.ok()) return writer.status();
  for (size_t begin = 0; begin < slots.size(); begin += kGroupsOfOneLock) {
    KnownGroups groups;
    table.ram().Export(absl::MakeConstSpan(slots).subspan(begin, kGroupsOfOneLock), &groups);
    if (absl::Status status = (*writer)->Append(groups); !status.ok()) return status;
  }
  if (absl::Status status = (*writer)->Commit(); !status.ok()) return status;
  return (*writer)->groups();
}

}  // namespace engram::storage
