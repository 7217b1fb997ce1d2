// The tiered store's inside: how it is put together from its parts.
#ifndef ENGRAM_STORAGE_TIERED_STORE_IMPL_H_
#define ENGRAM_STORAGE_TIERED_STORE_IMPL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "storage/catalog/catalog.h"
#include "storage/cold/database.h"
#include "storage/cold/database_impl.h"
#include "storage/fetch/deadline_timer.h"
#include "storage/fetch/hot_sets.h"
#include "storage/fetch/io_scheduler.h"
#include "storage/fetch/late_memory.h"
#include "storage/fetch/placement_thread.h"
#include "storage/fetch/prefetcher.h"
#include "storage/fetch/whole_table_loader.h"
#include "storage/import/row_source.h"
#include "storage/io/read_engine.h"
#include "storage/ram/byte_budget.h"
#include "storage/ram/ram_tiers.h"
#include "storage/table_registry.h"
#include "storage/tiered_store.h"
#include "storage/warm/warm_tiers.h"

namespace engram::storage {

class TieredStoreImpl final : public TieredStore {
 public:
  // As TieredStore::Open, with an engine and a database of the caller's choice;
  // options.read_engine is not looked at.
  static absl::StatusOr<std::unique_ptr<TieredStore>> OpenWith(const StoreOptions& options,
                                                               std::unique_ptr<ReadEngine> engine,
                                                               const DatabaseConfig& config);

  // The timer's calls give work to the scheduler, which ends before the timer.
  ~TieredStoreImpl() override { timer_.Stop(); }

  std::vector<TableInfo> ListTables() const override;
  absl::StatusOr<TableRef> OpenTable(absl::string_view name, uint64_t version) override;
  absl::StatusOr<TableRef> Resolve(absl::string_view name, uint64_t version,
                                   absl::string_view digest) override;
  void Fetch(const FetchOptions& options, FetchDone done) override;
  absl::Status Prefetch(const TableRef& table, absl::Span<const RowId> row_ids) override;
  absl::StatusOr<std::vector<TableInfo>> Import(
      const ImportOptions& options, std::function<bool(const ImportProgress&)> progress) override;
  absl::StatusOr<TableInfo> Publish(absl::string_view name, uint64_t version) override;
  absl::StatusOr<std::vector<TableIdentity>> Drop(absl::string_view name,
                                                  uint64_t version) override;
  absl::Status Verify(const TableRef& table,
                      std::function<bool(uint64_t rows_done)> progress) override;
  absl::StatusOr<RebalancePlan> PlanRebalance() const override;
  absl::Status Rebalance(
      std::function<bool(const RebalancePlan& plan, const RebalanceState& state)> progress) override
      ABSL_LOCKS_EXCLUDED(balance_mutex_);
  absl::StatusOr<uint64_t> RoomForGroups(const TableRef& table) const override;
  absl::StatusOr<RestoreCounts> WarmUp(const TableRef& table, const KnownGroups& groups,
                                       absl::FunctionRef<bool()> go_on) override;
  absl::StatusOr<PinCounts> Pin(const TableRef& table, absl::Span<const RowId> row_ids,
                                absl::FunctionRef<bool()> go_on) override
      ABSL_LOCKS_EXCLUDED(pin_mutex_);
  absl::StatusOr<PinCounts> Unpin(const TableRef& table, absl::Span<const RowId> row_ids,
                                  absl::FunctionRef<bool()> go_on) override
      ABSL_LOCKS_EXCLUDED(pin_mutex_);
  absl::StatusOr<uint64_t> PinLimit(const TableRef& table) const override;
  StoreStats Stats() const override;

 private:
  using Progress = std::function<bool(const ImportProgress&)>;

  TieredStoreImpl(const StoreOptions& options, std::unique_ptr<ReadEngine> engine);

  absl::Status Init(const DatabaseConfig& config);

  // A table on disk that the catalog does not know yet.
  struct WrittenTable {
    CatalogEntry entry;  // without its version
    std::unique_ptr<ColdTable> cold;
  };

  // Takes the names of all sources for one import, or none.
  absl::Status ClaimNames(const std::vector<NamedRowSource>& sources);
  absl::Status CheckDiskSpace(const std::vector<NamedRowSource>& sources) const;
  absl::StatusOr<WrittenTable> WriteTable(const NamedRowSource& source, const Progress& progress);
  absl::StatusOr<Digest> CopyRows(const NamedRowSource& source, ColdTableWriter* writer,
                                  const Progress& progress);
  // Puts tables into catalog and registry, all or none.
  absl::StatusOr<std::vector<TableInfo>> AddTables(std::vector<WrittenTable> tables);
  static void Discard(const std::vector<WrittenTable>& tables);
  // Gives a table its RAM tier, and puts it into the registry.
  void Register(const CatalogEntry& entry, std::unique_ptr<ColdTable> cold);
  absl::Status OpenTables(std::vector<CatalogEntry> entries);
  // Goes on with the division of the warm tiers' budget, by size between tables that are published
  // and not held whole.
  absl::Status DivideWarmBudget(absl::Time now);
  // Null if it has none.
  std::shared_ptr<WarmTier> AwaitWarmTier(TableVersion& version) const;
  void PlaceRows(absl::Time now);
  void WatchUsage(absl::Time now);
  // Moves shares of RAM a step closer to where it saves most.
  void BalanceRam() ABSL_LOCKS_EXCLUDED(balance_mutex_);
  void AddShare(TableVersion* table, PlacementStats* stats) const;
  bool HeldWhole(const std::string& name) const;
  // Tells of tables that options name and that are not there.
  void LogAbsentTables() const;

  const StoreOptions options_;
  const std::unique_ptr<ReadEngine> engine_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Catalog> catalog_;
  RamTiers ram_;
  std::unique_ptr<WarmTiers> warm_;
  TableRegistry registry_;
  WholeTableLoader loader_;
  absl::Mutex balance_mutex_;  // held by whoever changes shares of RAM
  bool rebalancing_ ABSL_GUARDED_BY(balance_mutex_) = false;
  absl::Mutex pin_mutex_;  // held by whoever changes what is pinned, but for the start
  HotSets hot_;            // saves what fetches left in RAM when these are over
  const std::shared_ptr<ByteBudget> prefetch_budget_;  // of groups that were prefetched
  LateMemory late_memory_;
  DeadlineTimer timer_;
  Prefetcher prefetcher_;
  IoScheduler scheduler_;      // destroyed before all of the above, which its jobs use
  PlacementThread placement_;  // likewise

  absl::Mutex mutex_;
  std::set<std::string> importing_ ABSL_GUARDED_BY(mutex_);
  // Serialises changes of what is published or dropped, so that catalog and registry agree.
  absl::Mutex change_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_TIERED_STORE_IMPL_H_
