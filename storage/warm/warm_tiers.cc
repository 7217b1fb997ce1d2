#include "storage/warm/warm_tiers.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"
#include "storage/warm/disk_division.h"

namespace engram::storage {
namespace {

// That caches give back in one call of Divide: at the store's rate, 320 MB/s.
constexpr uint64_t kRamPieceBytes = uint64_t{16} << 20;
constexpr absl::Duration kPauseAfterFailure = absl::Seconds(10);

}  // namespace

WarmTiers::WarmTiers(uint64_t disk_budget_bytes, const RamTiers* ram,
                     std::unique_ptr<SegmentDatabase> database)
    : budget_(std::make_shared<ByteBudget>(disk_budget_bytes)),
      ram_(ram),
      database_(std::move(database)) {}

absl::StatusOr<std::unique_ptr<WarmTiers>> WarmTiers::Open(const std::string& dir,
                                                           uint64_t disk_budget_bytes,
                                                           const RamTiers* ram, ReadEngine* engine,
                                                           const DatabaseConfig& config) {
  if (disk_budget_bytes == 0) {
    std::error_code error;
    std::filesystem::remove_all(dir, error);
    if (error) return absl::DataLossError(absl::StrCat("removing ", dir, ": ", error.message()));
    return absl::WrapUnique(new WarmTiers(0, ram, nullptr));
  }
  auto database = SegmentDatabase::Open(dir, engine, config);
  if (!database.ok()) return database.status();
  return absl::WrapUnique(new WarmTiers(disk_budget_bytes, ram, *std::move(database)));
}

absl::Status WarmTiers::Divide(absl::FunctionRef<std::vector<WarmTable>()> list, absl::Time now) {
  if (!division_due() || now < next_try_) return absl::OkStatus();
  const uint64_t due =
      divisions_due_;  // what changes after the tables are listed makes it due again
  const std::vector<Part> parts = PartsOf(list());
  SetMemoryAside(parts);  // before the caches can have what is given up
  GiveUpOthers(parts);
  Progress progress = Progress::kWaiting;
  absl::Status status;
  if (EndGivenUp()) {
    progress = CreateLacking(parts);
    status = RemoveLeft();
    SetMemoryAside(parts);  // for those that are still lacking
    if (progress == Progress::kWaiting) ram_->shares().FreeSetAside(kRamPieceBytes);
  }
  if (progress == Progress::kFailed) {
    ram_->shares().SetAside(0);
    next_try_ = now + kPauseAfterFailure;
  }
  if (progress == Progress::kDone) divided_ = due;
  return status;
}

std::vector<WarmTiers::Part> WarmTiers::PartsOf(std::vector<WarmTable> tables) const {
  std::vector<DiskShare> shares;
  for (const WarmTable& table : tables) {
    const auto tier = table.current->Get();
    shares.push_back({.table_bytes = table.spec.table_bytes(),
                      .tier_bytes = tier == nullptr ? 0 : tier->offered_bytes()});
  }
  const std::vector<uint64_t> bytes = DivideDisk(budget_bytes(), shares);
  std::vector<Part> parts;
  for (size_t i = 0; i < tables.size(); ++i) parts.push_back({std::move(tables[i]), bytes[i]});
  return parts;
}

WarmTierOptions WarmTiers::OptionsOf(const Part& part) const {
  return {.disk_bytes = part.bytes, .hash_seed = ram_->hash_seed()};
}

void WarmTiers::SetMemoryAside(absl::Span<const Part> parts) const {
  uint64_t bytes = 0;
  for (const Part& part : parts) {
    const auto tier = part.table.current->Get();
    if (tier != nullptr && tier->offered_bytes() == part.bytes) continue;
    const uint64_t more =
        WarmTier::MemoryBytes(part.table.spec, ram_->budget_bytes(), OptionsOf(part));
    if (bytes + more > ram_->shares().MostSetAside()) break;
    bytes += more;
  }
  ram_->shares().SetAside(bytes);
}

void WarmTiers::GiveUpOthers(absl::Span<const Part> parts) {
  std::erase_if(current_, [&](const std::shared_ptr<CurrentWarmTier>& current) {
    const bool stays = std::any_of(parts.begin(), parts.end(), [&](const Part& part) {
      return part.table.current == current && current->Get()->offered_bytes() == part.bytes;
    });
    if (stays) return false;
    spdlog::debug("the warm tier of table {} is given up, or takes another size", current->uid());
    given_up_.push_back(current->Replace(nullptr));
    may_have_left_ = true;
    return true;
  });
}

bool WarmTiers::EndGivenUp() {
  // Nobody can get another reference, so what is the last one remains so.
  std::erase_if(given_up_, [](const auto& tier) { return tier.use_count() == 1; });
  return given_up_.empty();
}

WarmTiers::Progress WarmTiers::CreateLacking(absl::Span<const Part> parts) {
  Progress all = Progress::kDone;
  for (const Part& part : parts) {
    if (part.table.current->Get() == nullptr) all = std::max(all, Create(part));
  }
  return all;
}

WarmTiers::Progress WarmTiers::Create(const Part& part) {
  CurrentWarmTier& current = *part.table.current;
  auto tier = WarmTier::Create(
      part.table.spec, budget_, ram_->budget(), OptionsOf(part),
      [&](const SegmentShape& shape) { return database_->OpenStore(current.uid(), shape); });
  if (absl::IsUnavailable(tier.status())) return Progress::kWaiting;
  if (!tier.ok()) {
    spdlog::warn("table {} has no warm tier: {}", part.table.name, tier.status().ToString());
    return Progress::kFailed;
  }
  if (*tier == nullptr) {
    spdlog::info(
        "table {} has no warm tier: its part of the disk, {} bytes, is too small for a few "
        "segments, or the RAM budget for their index",
        part.table.name, part.bytes);
    return Progress::kDone;
  }
  current.Replace(*std::move(tier));
  current_.push_back(part.table.current);
  return Progress::kDone;
}

absl::Status WarmTiers::RemoveLeft() {
  if (!std::exchange(may_have_left_, false)) return absl::OkStatus();
  std::vector<uint64_t> uids;
  for (const auto& current : current_) uids.push_back(current->uid());
  return database_->DropUnknown(uids);
}

}  // namespace engram::storage
