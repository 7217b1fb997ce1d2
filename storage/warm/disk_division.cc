#include "storage/warm/disk_division.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace engram::storage {
namespace {

// How far a tier that stays as it is may be off its part.
constexpr double kTolerance = 1.0 / 16;
// How far others may fall short for that. Well below, so that these are not changed again.
constexpr double kMostShortfall = 1.0 / 32;

// The tables' parts, and what is made of them.
class Division {
 public:
  Division(uint64_t budget_bytes, absl::Span<const DiskShare> tables)
      : budget_(static_cast<double>(budget_bytes)), tables_(tables) {
    double total = 0;
    for (const DiskShare& table : tables) total += static_cast<double>(table.table_bytes);
    for (const DiskShare& table : tables) {
      parts_.push_back(total == 0 ? 0 : budget_ * static_cast<double>(table.table_bytes) / total);
    }
  }

  std::vector<uint64_t> Run() {
    Keep(/*larger_ones=*/true);
    if (kept_bytes_ + changed_bytes_ * (1 - kMostShortfall) > budget_) Keep(/*larger_ones=*/false);
    const double left = std::max(0.0, budget_ - kept_bytes_);
    const double scale = changed_bytes_ > left ? left / changed_bytes_ : 1;
    std::vector<uint64_t> bytes;
    for (size_t i = 0; i < tables_.size(); ++i) {
      bytes.push_back(kept_[i] ? tables_[i].tier_bytes
                               : static_cast<uint64_t>(std::floor(parts_[i] * scale)));
    }
    return bytes;
  }

 private:
  // Decides which tiers stay as they are: maybe some of those that have more than their part.
  void Keep(bool larger_ones) {
    kept_.clear();
    kept_bytes_ = 0;
    changed_bytes_ = 0;
    for (size_t i = 0; i < tables_.size(); ++i) {
      const auto has = static_cast<double>(tables_[i].tier_bytes);
      kept_.push_back(has > 0 && std::abs(has - parts_[i]) <= parts_[i] * kTolerance &&
                      (larger_ones || has <= parts_[i]));
      (kept_.back() ? kept_bytes_ : changed_bytes_) += kept_.back() ? has : parts_[i];
    }
  }

  const double budget_;
  const absl::Span<const DiskShare> tables_;
  std::vector<double> parts_;  // of the budget, in bytes
  std::vector<bool> kept_;
  double kept_bytes_ = 0;     // that these have
  double changed_bytes_ = 0;  // the parts of the others
};

}  // namespace

std::vector<uint64_t> DivideDisk(uint64_t budget_bytes, absl::Span<const DiskShare> tables) {
  return Division(budget_bytes, tables).Run();
}

}  // namespace engram::storage
