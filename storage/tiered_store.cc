#include "storage/tiered_store.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "spdlog/spdlog.h"
#include "storage/catalog/format_file.h"
#include "storage/fetch/fetch_operation.h"
#include "storage/fetch/table_version.h"
#include "storage/row_digest.h"
#include "storage/tiered_store_impl.h"

namespace engram::storage {
namespace {

constexpr absl::Duration kVerifyProgressInterval = absl::Milliseconds(250);
constexpr absl::Duration kPlacementPeriod = absl::Milliseconds(50);
constexpr absl::Duration kUsagePeriod = absl::Seconds(1);
constexpr absl::Duration kBalancePeriod = absl::Seconds(30);
// Of fetches that take partial answers, as long as they are being read, answered or not: several of
// the largest.
constexpr uint64_t kLateBytes = uint64_t{256} << 20;

// What an option says of a table: its default where it is not named.
template <typename Value>
Value ValueOf(const std::map<std::string, Value>& values, const std::string& table) {
  const auto found = values.find(table);
  return found == values.end() ? Value{} : found->second;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TieredStore>> TieredStore::Open(const StoreOptions& options) {
  auto engine = NewReadEngine(options.read_engine);
  if (!engine.ok()) {
    return engine.status();
  }
  return TieredStoreImpl::OpenWith(options, *std::move(engine), DatabaseConfig());
}

absl::StatusOr<std::unique_ptr<TieredStore>> TieredStoreImpl::OpenWith(
    const StoreOptions& options, std::unique_ptr<ReadEngine> engine, const DatabaseConfig& config) {
  if (absl::Status status = ValidateOptions(options); !status.ok()) {
    return status;
  }
  auto store = absl::WrapUnique(new TieredStoreImpl(options, std::move(engine)));
  if (absl::Status status = store->Init(config); !status.ok()) {
    return status;
  }
  return store;
}

TieredStoreImpl::TieredStoreImpl(const StoreOptions& options, std::unique_ptr<ReadEngine> engine)
    : options_(options),
      engine_(std::move(engine)),
      ram_(options.ram_budget_bytes),
      hot_({.folder = options.data_dir + "/hot",
            .period = options.hot_set_period,
            .image_bytes_per_s = options.hot_image_bytes_per_s}),
      prefetch_budget_(std::make_shared<ByteBudget>(options.prefetch_bytes)),
      late_memory_(kLateBytes),
      prefetcher_(options.prefetch_bytes / 2, &scheduler_),
      scheduler_(options.io_threads) {}

absl::Status TieredStoreImpl::Init(const DatabaseConfig& config) {
  if (absl::Status status = CheckOrCreateFormat(options_.data_dir); !status.ok()) {
    return status;
  }
  auto database = OpenDatabase(absl::StrCat(options_.data_dir, "/db"), engine_.get(), config);
  if (!database.ok()) {
    return database.status();
  }
  database_ = *std::move(database);
  if (absl::Status status = SyncDirectory(options_.data_dir); !status.ok()) {
    return status;  // what RocksDB syncs is of no use while its directory's entry may be lost
  }
  auto catalog = Catalog::Load(database_.get());
  if (!catalog.ok()) {
    return catalog.status();
  }
  catalog_ = *std::move(catalog);

  std::vector<CatalogEntry> entries = catalog_->List();
  std::vector<uint64_t> uids;
  for (const CatalogEntry& entry : entries) {
    uids.push_back(entry.uid);
  }
  if (absl::Status status = database_->DropUnknownTables(uids); !status.ok()) {
    return status;
  }
  auto warm = WarmTiers::Open(absl::StrCat(options_.data_dir, "/warm"), options_.warm_budget_bytes,
                              &ram_, engine_.get(), config);
  if (!warm.ok()) {
    return warm.status();
  }
  warm_ = *std::move(warm);
  if (absl::Status status = OpenTables(std::move(entries)); !status.ok()) {
    return status;
  }
  // Nothing is written to warm tiers before what others left is gone.
  if (absl::Status status = DivideWarmBudget(absl::Now()); !status.ok()) {
    return status;
  }
  if (options_.warm_budget_bytes > 0) {
    placement_.AddStep("placement", kPlacementPeriod, [this](absl::Time now) { PlaceRows(now); });
  }
  LogAbsentTables();
  hot_.Start();
  placement_.AddStep("usage", kUsagePeriod, [this](absl::Time now) { WatchUsage(now); });
  placement_.AddStep("balance", kBalancePeriod, [this](absl::Time) { BalanceRam(); });
  return absl::OkStatus();
}

absl::Status TieredStoreImpl::OpenTables(std::vector<CatalogEntry> entries) {
  // Those that are published have the first claim to be held whole in RAM.
  std::stable_partition(entries.begin(), entries.end(),
                        [](const CatalogEntry& entry) { return entry.info.published; });
  for (const CatalogEntry& entry : entries) {
    auto cold = database_->OpenTable(entry.uid, entry.info.spec);
    if (!cold.ok()) {
      return absl::Status(cold.status().code(),
                          absl::StrCat("table \"", entry.info.identity.name, "\" version ",
                                       entry.info.identity.version, ": ", cold.status().message()));
    }
    Register(entry, *std::move(cold));
  }
  return absl::OkStatus();
}

void TieredStoreImpl::LogAbsentTables() const {
  const auto here = [this](const std::string& name) { return registry_.Find(name, 0).ok(); };
  for (const std::string& whole : options_.whole_tables) {
    if (whole != "*" && !here(whole)) {
      spdlog::info("table {} is to be held whole in RAM, and is not here yet", whole);
    }
  }
  for (const auto& [name, share] : options_.ram_shares) {
    if (!here(name)) spdlog::info("table {} has a RAM share, and is not here yet", name);
  }
  for (const auto& [name, window] : options_.windows) {
    if (!here(name)) spdlog::info("table {} has a window, and is not here yet", name);
  }
}

absl::StatusOr<TableRef> TieredStoreImpl::OpenTable(absl::string_view name, uint64_t version) {
  return registry_.Find(name, version);
}

bool TieredStoreImpl::HeldWhole(const std::string& name) const {
  return std::any_of(options_.whole_tables.begin(), options_.whole_tables.end(),
                     [&](const std::string& whole) { return whole == "*" || whole == name; });
}

void TieredStoreImpl::WatchUsage(absl::Time now) {
  for (const TableRegistry::Listed& listed : registry_.List()) {
    listed.table->MeterTraffic(now);
    listed.table->prefetched().Expire(now);
    UsageMonitor* const usage = listed.table->ram().usage();
    if (usage != nullptr) usage->Process(now);
  }
}

void TieredStoreImpl::Register(const CatalogEntry& entry, std::unique_ptr<ColdTable> cold) {
  const TableInfo& info = entry.info;
  const absl::Duration window = ValueOf(options_.windows, info.identity.name);
  const auto current_warm = std::make_shared<CurrentWarmTier>(entry.uid);
  if (HeldWhole(info.identity.name)) {
    auto whole = ram_.NewWholeTable(info.spec);
    if (whole.ok()) {
      WholeTable* const tier = whole->get();
      auto table = std::make_shared<TableVersion>(info, std::move(cold), *std::move(whole),
                                                  current_warm, window, prefetch_budget_);
      registry_.Add(table, info.published);
      loader_.Load(table, tier);
      return;
    }
    spdlog::warn("table {} v{} is not held whole in RAM: {}", info.identity.name,
                 info.identity.version, std::string(whole.status().message()));
  }
  auto cache = ram_.NewCache(info.spec, current_warm.get(),
                             ValueOf(options_.ram_shares, info.identity.name));
  auto table = std::make_shared<TableVersion>(info, std::move(cold), std::move(cache), current_warm,
                                              window, prefetch_budget_);
  registry_.Add(table, info.published);
  hot_.Add(entry.uid, table);
}

std::vector<TableInfo> TieredStoreImpl::ListTables() const {
  std::vector<TableInfo> tables;
  for (const TableRegistry::Listed& listed : registry_.List()) {
    TableInfo info = listed.table->info();
    info.published = listed.published;
    info.disk_bytes = listed.table->cold().disk_bytes();
    tables.push_back(std::move(info));
  }
  return tables;
}

absl::StatusOr<TableRef> TieredStoreImpl::Resolve(absl::string_view name, uint64_t version,
                                                  absl::string_view digest) {
  auto table = registry_.Find(name, version);
  if (!table.ok()) {
    return table.status();
  }
  const TableIdentity& identity = (*table)->identity();
  const absl::string_view actual(reinterpret_cast<const char*>(identity.digest.bytes.data()),
                                 identity.digest.bytes.size());
  if (!digest.empty() && digest != actual) {
    return absl::FailedPreconditionError(absl::StrCat(
        "table \"", name, "\" version ", identity.version, " has digest ", identity.digest.ToHex(),
        ", not ", absl::BytesToHexString(digest), ": open the table again"));
  }
  return *std::move(table);
}

void TieredStoreImpl::Fetch(const FetchOptions& options, FetchDone done) {
  const TableSpec& spec = options.table->spec();
  absl::Status status = ValidateIds(*options.table, options.row_ids);
  const size_t groups = options.row_ids.size() / spec.group_size;
  if (status.ok() && options.rows.size() != options.row_ids.size() * spec.row_bytes) {
    status = absl::InvalidArgumentError(
        absl::StrCat("the output for rows has ", options.rows.size(), " bytes, and ",
                     options.row_ids.size() * spec.row_bytes, " are needed"));
  }
  if (status.ok() && !options.tiers.empty() && options.tiers.size() != groups) {
    status =
        absl::InvalidArgumentError(absl::StrCat("the output for tiers has ", options.tiers.size(),
                                                " entries, and ", groups, " are needed"));
  }
  if (status.ok() && options.partial && options.tiers.empty()) {
    status = absl::InvalidArgumentError(
        "a fetch that takes a partial answer needs an output for tiers, which says what is absent");
  }
  if (!status.ok()) {
    static_cast<TableVersion&>(*options.table).CountError();
    std::move(done)(std::move(status));
    return;
  }
  RunFetch(options, std::move(done),
           {.scheduler = &scheduler_,
            .timer = &timer_,
            .prefetcher = &prefetcher_,
            .late_memory = &late_memory_});
}

absl::Status TieredStoreImpl::Prefetch(const TableRef& table, absl::Span<const RowId> row_ids) {
  if (absl::Status status = ValidateIds(*table, row_ids); !status.ok()) return status;
  prefetcher_.Prefetch(std::static_pointer_cast<TableVersion>(table), row_ids);
  return absl::OkStatus();
}

absl::StatusOr<TableInfo> TieredStoreImpl::Publish(absl::string_view name, uint64_t version) {
  absl::MutexLock lock(&change_mutex_);
  auto entry = catalog_->Publish(name, version);
  if (!entry.ok()) {
    return entry.status();
  }
  registry_.Publish(name, version);
  warm_->SetDivisionDue();
  const auto table = registry_.Find(name, version);
  if (!table.ok()) {
    return table.status();
  }
  TableInfo info = std::move(entry->info);
  info.disk_bytes = (*table)->cold().disk_bytes();
  return info;
}

absl::StatusOr<std::vector<TableIdentity>> TieredStoreImpl::Drop(absl::string_view name,
                                                                 uint64_t version) {
  // Let go of after the lock: the last reference removes files, which takes its time.
  std::vector<std::shared_ptr<TableVersion>> tables;
  absl::MutexLock lock(&change_mutex_);
  auto entries = catalog_->Remove(name, version);
  if (!entries.ok()) {
    return entries.status();
  }
  std::vector<TableIdentity> dropped;
  for (const CatalogEntry& entry : *entries) {
    const TableIdentity& identity = entry.info.identity;
    if (auto table = registry_.Remove(identity.name, identity.version); table != nullptr) {
      table->cold().MarkDropped();
      hot_.Drop(entry.uid);
      tables.push_back(std::move(table));
    }
    dropped.push_back(identity);
  }
  warm_->SetDivisionDue();
  return dropped;
}

absl::Status TieredStoreImpl::Verify(const TableRef& table,
                                     std::function<bool(uint64_t rows_done)> progress) {
  auto& version = static_cast<TableVersion&>(*table);
  RowDigest digest;
  absl::Time next_progress = absl::Now() + kVerifyProgressInterval;
  absl::Status status =
      version.cold().Scan([&](uint64_t first_row, absl::Span<const std::byte> rows) {
        digest.Update(rows);
        if (const absl::Time now = absl::Now(); now >= next_progress) {
          next_progress = now + kVerifyProgressInterval;
          return progress(first_row + rows.size() / version.spec().row_bytes);
        }
        return true;
      });
  if (!status.ok()) {
    return status;
  }
  const TableIdentity& identity = version.identity();
  if (const Digest found = digest.Finish(); !(found == identity.digest)) {
    return absl::DataLossError(absl::StrCat(
        "table \"", identity.name, "\" version ", identity.version, " has digest ", found.ToHex(),
        " on disk, and had ", identity.digest.ToHex(), " when it was imported"));
  }
  return absl::OkStatus();
}

void TieredStoreImpl::AddShare(TableVersion* table, PlacementStats* stats) const {
  stats->fixed_share = ValueOf(options_.ram_shares, table->identity().name);
  const RamShare* const share = table->ram().share();
  if (share == nullptr) return;
  const auto state = ram_.shares().StateOf(*share);
  if (state.has_value()) stats->entitled_bytes = state->fair_bytes;
}

StoreStats TieredStoreImpl::Stats() const {
  StoreStats stats{.read_engine = engine_->name(),
                   .read_engine_reason = engine_->fallback_reason(),
                   .ram_budget_bytes = ram_.budget_bytes(),
                   .ram_used_bytes = ram_.used_bytes(),
                   .warm_budget_bytes = warm_->budget_bytes()};
  for (const TableRegistry::Listed& listed : registry_.List()) {
    stats.tables.push_back(listed.table->Stats());
    AddShare(listed.table.get(), &stats.tables.back().placement);
    stats.warm_used_bytes += stats.tables.back().warm.bytes;
    stats.tables.back().published = listed.published;
  }
  return stats;
}

absl::Status TieredStore::ValidateIds(const Table& table, absl::Span<const RowId> row_ids) {
  const TableSpec& spec = table.spec();
  const auto name = [&] { return absl::StrCat("table \"", table.identity().name, "\""); };
  if (row_ids.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no row ids given for ", name()));
  }
  if (row_ids.size() > kMaxRows) {
    return absl::InvalidArgumentError(
        absl::StrCat(row_ids.size(), " row ids for ", name(), " are more than ", kMaxRows));
  }
  if (row_ids.size() % spec.group_size != 0) {
    return absl::InvalidArgumentError(absl::StrCat(row_ids.size(),
                                                   " row ids are no multiple of the group size of ",
                                                   name(), ", which is ", spec.group_size));
  }
  // The common case, all in range, is one pass without a branch.
  const RowId highest = *std::max_element(row_ids.begin(), row_ids.end());
  if (highest >= spec.rows) {
    const auto first =
        std::find_if(row_ids.begin(), row_ids.end(), [&](RowId id) { return id >= spec.rows; });
    return absl::OutOfRangeError(absl::StrCat("row id ", *first, " at index ",
                                              first - row_ids.begin(), " is not in ", name(),
                                              ", which has ", spec.rows, " rows"));
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
