// The tiered store's inside: the warm tiers of its tables.
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "spdlog/spdlog.h"
#include "storage/fetch/table_version.h"
#include "storage/tiered_store_impl.h"

namespace engram::storage {
namespace {

// Parts of a warm tier's work done before it is another table's turn.
constexpr int kMaxWarmSteps = 16;

}  // namespace

absl::Status TieredStoreImpl::DivideWarmBudget(absl::Time now) {
  const auto list = [this] {
    std::vector<WarmTable> tables;
    for (const TableRegistry::Listed& listed : registry_.List()) {
      if (!listed.published || HeldWhole(listed.table->identity().name)) continue;
      const TableIdentity& identity = listed.table->identity();
      tables.push_back({.name = absl::StrCat(identity.name, " v", identity.version),
                        .spec = listed.table->spec(),
                        .current = listed.table->current_warm()});
    }
    return tables;
  };
  return warm_->Divide(list, now);
}

void TieredStoreImpl::PlaceRows(absl::Time now) {
  if (const absl::Status status = DivideWarmBudget(now); !status.ok()) {
    spdlog::warn("what warm tiers left on disk: {}", status.ToString());
  }
  for (const TableRegistry::Listed& listed : registry_.List()) {
    const std::shared_ptr<WarmTier> warm = listed.table->current_warm()->Get();
    for (int steps = 0; warm != nullptr && steps < kMaxWarmSteps && warm->Step(now); ++steps) {
    }
  }
}

}  // namespace engram::storage
