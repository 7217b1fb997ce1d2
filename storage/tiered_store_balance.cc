// How the store divides RAM between its tables.
#include <memory>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/time/clock.h"
#include "spdlog/spdlog.h"
#include "storage/ram/ram_division.h"
#include "storage/ram/ram_move.h"
#include "storage/tiered_store_impl.h"

namespace engram::storage {
namespace {

constexpr absl::Duration kProgressInterval = absl::Milliseconds(250);

// Tables that are looked at, and kept while their caches are.
struct Balanced {
  std::vector<std::shared_ptr<TableVersion>> versions;
  std::vector<BalancedTable> tables;
};

Balanced ListBalanced(const TableRegistry& registry) {
  Balanced balanced;
  for (TableRegistry::Listed& listed : registry.List()) {
    TableVersion& version = *listed.table;
    if (version.ram().share() == nullptr || version.ram().usage() == nullptr) continue;
    balanced.tables.push_back({.identity = version.identity(),
                               .table_bytes = version.spec().table_bytes(),
                               .window_us = absl::ToDoubleMicroseconds(version.window()),
                               .traffic = version.Traffic(),
                               .usage = version.ram().usage()->Report(),
                               .share = version.ram().share()});
    balanced.versions.push_back(std::move(listed.table));
  }
  return balanced;
}

}  // namespace

void TieredStoreImpl::BalanceRam() {
  const Balanced balanced = ListBalanced(registry_);
  absl::MutexLock lock(&balance_mutex_);
  if (rebalancing_) return;
  const uint64_t bytes = StepDivision(&ram_.shares(), balanced.tables);
  if (bytes > 0) spdlog::debug("tables' shares of RAM change by {} bytes", bytes);
}

absl::StatusOr<RebalancePlan> TieredStoreImpl::PlanRebalance() const {
  const Balanced balanced = ListBalanced(registry_);
  auto division = PlanDivision(ram_.shares(), balanced.tables);
  if (!division.ok()) return division.status();
  return std::move(division->plan);
}

absl::Status TieredStoreImpl::Rebalance(
    std::function<bool(const RebalancePlan& plan, const RebalanceState& state)> progress) {
  const Balanced balanced = ListBalanced(registry_);
  std::unique_ptr<RamMove> move;
  RebalancePlan plan;
  {
    absl::MutexLock lock(&balance_mutex_);
    if (rebalancing_) return absl::FailedPreconditionError("RAM is being rebalanced already");
    auto division = PlanDivision(ram_.shares(), balanced.tables);
    if (!division.ok()) return division.status();
    plan = std::move(division->plan);
    move = std::make_unique<RamMove>(&ram_.shares(), std::move(division->targets));
    rebalancing_ = true;
  }
  const absl::Cleanup end = [&] {
    absl::MutexLock lock(&balance_mutex_);
    move.reset();
    rebalancing_ = false;
  };
  const auto report = [&] {
    return progress(plan,
                    {.bytes_moved = move->bytes_moved(), .bytes_total = move->bytes_to_move()});
  };
  for (absl::Time next_report = absl::InfinitePast(); move->Step(absl::Now());) {
    if (const absl::Time now = absl::Now(); now >= next_report) {
      next_report = now + kProgressInterval;
      if (!report()) {
        move->Cancel();
        return absl::CancelledError("the rebalancing was cancelled; what was moved stays");
      }
    }
    absl::SleepFor(RamMove::kPeriod);
  }
  report();
  return absl::OkStatus();
}

}  // namespace engram::storage
