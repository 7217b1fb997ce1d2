#include "storage/warm/warm_tiers.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"

namespace engram::storage {

WarmTiers::WarmTiers(uint64_t disk_budget_bytes, std::unique_ptr<SegmentDatabase> database)
    : budget_(std::make_shared<ByteBudget>(disk_budget_bytes)), database_(std::move(database)) {}

absl::StatusOr<std::unique_ptr<WarmTiers>> WarmTiers::Open(const std::string& dir,
                                                           uint64_t disk_budget_bytes,
                                                           ReadEngine* engine,
                                                           const DatabaseConfig& config) {
  if (disk_budget_bytes == 0) {
    std::error_code error;
    std::filesystem::remove_all(dir, error);
    if (error) return absl::DataLossError(absl::StrCat("removing ", dir, ": ", error.message()));
    return absl::WrapUnique(new WarmTiers(0, nullptr));
  }
  auto database = SegmentDatabase::Open(dir, engine, config);
  if (!database.ok()) return database.status();
  return absl::WrapUnique(new WarmTiers(disk_budget_bytes, *std::move(database)));
}

absl::Status WarmTiers::DropUnknown(absl::Span<const uint64_t> known_uids) {
  return database_ == nullptr ? absl::OkStatus() : database_->DropUnknown(known_uids);
}

std::unique_ptr<WarmTier> WarmTiers::NewTier(uint64_t uid, const TableSpec& spec, double share,
                                             const std::shared_ptr<ByteBudget>& ram,
                                             uint64_t hash_seed) {
  if (database_ == nullptr) return nullptr;
  const uint64_t left = budget_bytes() - std::min(budget_bytes(), budget_->used_bytes());
  const auto wanted = static_cast<uint64_t>(static_cast<double>(budget_bytes()) * share);
  const WarmTierOptions options = {.disk_bytes = std::min(left, wanted), .hash_seed = hash_seed};
  auto tier = WarmTier::Create(spec, budget_, ram, options, [&](const SegmentShape& shape) {
    return database_->OpenStore(uid, shape);
  });
  if (!tier.ok()) {
    spdlog::warn("table {} has no warm tier: {}", uid, tier.status().ToString());
    return nullptr;
  }
  if (*tier == nullptr) {
    spdlog::info("table {} has no warm tier: {} bytes of disk are left for it, or too little RAM",
                 uid, options.disk_bytes);
  }
  return *std::move(tier);
}

}  // namespace engram::storage
