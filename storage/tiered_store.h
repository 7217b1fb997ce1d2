// The tiered store: tables of rows in RAM and on NVMe. The one header that users of the library
// need.
//
//   auto store = TieredStore::Open({.data_dir = "/var/lib/engramd", .ram_budget_bytes = 1 << 30});
//   auto table = (*store)->OpenTable("deepseek-v4.1-flash/layer1");
//   (*store)->Fetch({.table = *table, .row_ids = ids, .rows = out}, [](absl::Status status) {...});
#ifndef ENGRAM_STORAGE_TIERED_STORE_H_
#define ENGRAM_STORAGE_TIERED_STORE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "storage/cold/read_terms.h"
#include "storage/import/import_options.h"
#include "storage/io/read_engine.h"
#include "storage/placement/known_groups.h"
#include "storage/rebalance_plan.h"
#include "storage/store_stats.h"
#include "storage/table_spec.h"

namespace engram::storage {

// One version of one table, held open. While a reference lives its rows stay readable, even after
// the version was dropped.
class Table {
 public:
  virtual ~Table() = default;
  virtual const TableIdentity& identity() const = 0;
  virtual const TableSpec& spec() const = 0;
};
using TableRef = std::shared_ptr<Table>;

// Where a group was found: RAM includes an earlier place in the same fetch, and another fetch that
// was reading it. kAbsent: it was not there at the deadline. The numbers are those of
// engram.v1.Tier.
enum class Tier : uint8_t { kRam = 1, kWarm = 2, kCold = 3, kAbsent = 4 };

// What the rows of an absent group are filled with: no number in any format of floats.
inline constexpr std::byte kAbsentByte{0xFF};

struct StoreOptions {
  std::string data_dir;  // created if absent; one store at a time
  // Hard limit of the RAM tier, metadata included. 0: no RAM tier.
  uint64_t ram_budget_bytes = 0;
  // Tables (by name; "*" for all) held whole in RAM as long as they fit the budget.
  std::vector<std::string> whole_tables{};
  // By table name, how long after the submission of a fetch its rows are needed, 0 or more. What a
  // fetch takes within its window costs nobody anything, and RAM goes where it saves most of what
  // fetches take beyond theirs. Tables that are not named need their rows at once.
  std::map<std::string, absl::Duration> windows{};
  // By table name, the part of the RAM budget that the table's caches are entitled to, above 0; all
  // together at most 1. The tables that are not named share the rest.
  std::map<std::string, double> ram_shares{};
  // Hard limit of the disk that the warm tiers of all tables take, in data_dir beside the tables;
  // divided between those that are published and not held whole, anew whenever that changes.
  // 0: no warm tiers.
  uint64_t warm_budget_bytes = 0;
  // How often what RAM holds is saved, so that a restart brings it back; at the end it is saved as
  // well. 0: never, nor is it loaded.
  absl::Duration hot_set_period = absl::Seconds(60);
  // Average rate at which the rows that RAM holds are written after such a save, to be read back in
  // sequence: they take the RAM budget once more on disk, twice for a moment. 0: they are not, and
  // a restart reads each row where it is.
  uint64_t hot_image_bytes_per_s = 16'000'000;
  // Most memory of groups that were prefetched and not fetched yet, beside the RAM budget; half as
  // much again of those that are being read. 0: hints do nothing.
  uint64_t prefetch_bytes = uint64_t{64} << 20;
  int io_threads = 4;
  ReadEngineOptions read_engine{};
};

// INVALID_ARGUMENT: an option is out of range; names it, and the table.
absl::Status ValidateOptions(const StoreOptions& options);

// A fetch. Everything it points to stays the caller's, and must live until `done` was called.
struct FetchOptions {
  TableRef table;
  absl::Span<const RowId> row_ids;  // [groups x group_size], group-major
  absl::Span<std::byte> rows;       // out: [row_ids x row_bytes], in the order of row_ids
  // Others may write to `rows`, and to `tiers`, at any time: nothing is ever read from there.
  bool rows_are_shared = false;
  absl::Span<Tier> tiers{};  // out: [groups], or empty if not wanted
  // When the rows are needed. Of the fetches that read from disk those go first whose rows are
  // needed first, and whether they came in time is counted. Not given, it is the deadline or, if
  // there is none, the table's window from now.
  absl::Time needed_at = absl::InfiniteFuture();
  // When to give up.
  absl::Time deadline = absl::InfiniteFuture();
  const CancelFlag* cancelled = nullptr;  // likewise, once it is not 0; null: never
  // At the deadline the fetch ends well with what is there. `tiers`, which it needs, says kAbsent
  // of the groups that are not, and their rows are all kAbsentByte. Those are read on as by
  // Prefetch.
  bool partial = false;
  // Others go first, but for one I/O thread, and its reads leave room for theirs.
  bool bulk = false;
  // The calling thread has nobody else to serve: it reads by itself what is needed within a
  // millisecond, if that is no more than some tokens', and so saves the way to an I/O thread. Where
  // it calls `done` itself, RAM has the rows when Fetch returns.
  bool caller_may_read = false;
};
using FetchDone = absl::AnyInvocable<void(absl::Status) &&>;

class TieredStore {
 public:
  // Opens or creates the store. Its time does not depend on the size of the tables.
  //   FAILED_PRECONDITION  the directory holds a newer format or something else, or another process
  //                        has it open; or read_engine asks for io_uring and the kernel refuses
  //   NOT_FOUND            the directory's parent is missing
  //   PERMISSION_DENIED    the directory may not be written
  //   RESOURCE_EXHAUSTED   the disk is full
  //   DATA_LOSS            files are missing or damaged
  //   INVALID_ARGUMENT     options out of range
  static absl::StatusOr<std::unique_ptr<TieredStore>> Open(const StoreOptions& options);

  // Waits for fetches under way; those that take a partial answer end with what is there. No call
  // may be running or follow. References to tables may be left, good for nothing; until they are
  // gone the directory stays locked.
  virtual ~TieredStore() = default;

  // All functions below may be called from any thread at any time.

  // Every version of every table, by name and version.
  virtual std::vector<TableInfo> ListTables() const = 0;

  // The published version, or `version` if it is not 0.
  //   NOT_FOUND
  virtual absl::StatusOr<TableRef> OpenTable(absl::string_view name, uint64_t version = 0) = 0;

  // Checks an identity that a caller pinned, and returns its table. An empty digest matches any.
  //   NOT_FOUND            no such table or version
  //   FAILED_PRECONDITION  the digest differs
  virtual absl::StatusOr<TableRef> Resolve(absl::string_view name, uint64_t version,
                                           absl::string_view digest) = 0;

  // Checks that the ids may be fetched: at least one, whole groups, all within the table.
  //   INVALID_ARGUMENT  no ids, more than kMaxRows, or not a multiple of the group size
  //   OUT_OF_RANGE      names the first id that is not in the table, and its index
  static absl::Status ValidateIds(const Table& table, absl::Span<const RowId> row_ids);

  // Fetches rows. Groups in RAM are copied by the calling thread; if that was all, `done` is called
  // before Fetch returns, otherwise by an I/O thread, or as caller_may_read says. Equal groups and
  // rows are read once, even if several fetches want them at the same time. On an error the
  // contents of `rows` are unspecified.
  //   INVALID_ARGUMENT, OUT_OF_RANGE  as ValidateIds; or an output span has the wrong size
  //   DEADLINE_EXCEEDED               the deadline passed before every row was read
  //   CANCELLED                       options.cancelled was set before that
  //   DATA_LOSS                       disk error or checksum mismatch; names a row
  virtual void Fetch(const FetchOptions& options, FetchDone done) = 0;

  // A hint that groups will be fetched soon. Returns at once; those that RAM does not hold are read
  // behind all else and kept beside the RAM tier until they are fetched. They push out none but the
  // oldest of their kind, and are dropped where too many are to be read already.
  //   row_ids: [groups x group_size], copied
  //   INVALID_ARGUMENT, OUT_OF_RANGE  as ValidateIds
  virtual absl::Status Prefetch(const TableRef& table, absl::Span<const RowId> row_ids) = 0;

  // Imports what `options` select, all of it or nothing. Returns what was imported.
  // `progress` is called by the importing thread, about four times a second and when the rows of a
  // table are written, where returning false cancels; and at the end once for each imported table.
  //   INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, DATA_LOSS  as OpenRowSources
  //   ALREADY_EXISTS      an import of the same table is running
  //   RESOURCE_EXHAUSTED  the disk is full
  //   CANCELLED           `progress` returned false
  virtual absl::StatusOr<std::vector<TableInfo>> Import(
      const ImportOptions& options, std::function<bool(const ImportProgress&)> progress) = 0;

  // Makes a version the one that OpenTable returns.
  //   NOT_FOUND, RESOURCE_EXHAUSTED (the disk is full), DATA_LOSS
  virtual absl::StatusOr<TableInfo> Publish(absl::string_view name, uint64_t version) = 0;

  // Removes a version, or (0) all versions of a table; its disk space is freed when the last
  // reference is gone.
  //   NOT_FOUND, RESOURCE_EXHAUSTED (the disk is full), DATA_LOSS
  //   FAILED_PRECONDITION  the version is published while others of its table exist
  virtual absl::StatusOr<std::vector<TableIdentity>> Drop(absl::string_view name,
                                                          uint64_t version) = 0;

  // Reads the whole table from the cold tier and compares its digest. `progress` is called with the
  // rows done, about four times a second; returning false cancels.
  //   DATA_LOSS  a page could not be read, or the digest differs
  //   CANCELLED
  virtual absl::Status Verify(const TableRef& table,
                              std::function<bool(uint64_t rows_done)> progress) = 0;

  // How RAM would best be divided between the tables' caches, by the traffic of the latest minutes.
  // The store moves there by itself, slowly.
  //   FAILED_PRECONDITION  too little traffic was seen; says how much is lacking
  virtual absl::StatusOr<RebalancePlan> PlanRebalance() const = 0;

  // Moves memory to where PlanRebalance says, in pieces that readers do not notice. Caches that win
  // fill as groups are fetched, and others give back no faster than that; what nobody wanted for
  // ten seconds is left to follow later. `progress` is called about four times a second, and at the
  // end; returning false cancels: what was moved stays.
  //   FAILED_PRECONDITION  as PlanRebalance; or another rebalancing is under way
  //   CANCELLED            `progress` returned false
  virtual absl::Status Rebalance(
      std::function<bool(const RebalancePlan& plan, const RebalanceState& state)> progress) = 0;

  // Groups that RAM and the table's warm tier can hold together, or somewhat more. After an import
  // or Publish, waits up to a second for the warm tier.
  //   FAILED_PRECONDITION  no groups come and go there: it is held whole, or there is no RAM for it
  virtual absl::StatusOr<uint64_t> RoomForGroups(const TableRef& table) const = 0;

  // Brings groups that nobody fetched into RAM, with what is known of their use (at least one), up
  // to the table's fair share beside all that are published, and offers the warm tier those that
  // RAM has no room for. They should come most worthy first: they replace others only in a cache
  // that has learned what groups are worth because it evicted before. Blocks until all are where
  // they go.
  //   go_on: asked several times a second
  //   INVALID_ARGUMENT, OUT_OF_RANGE  as ValidateIds; or there are not as many pasts as groups
  //   FAILED_PRECONDITION             as RoomForGroups
  //   DATA_LOSS                       as Fetch; some of the groups may have got in
  //   CANCELLED                       `go_on` returned false; likewise
  virtual absl::StatusOr<RestoreCounts> WarmUp(const TableRef& table, const KnownGroups& groups,
                                               absl::FunctionRef<bool()> go_on) = 0;

  // Brings groups into RAM, at the expense of any others, to stay there until they are unpinned or
  // the version is dropped; by restarts as well, if hot_set_period is not 0. All of them or, on an
  // error, none beside those that were pinned before. Blocks until they are there, and meanwhile
  // first until what RAM held before a restart is back, and until others' calls of these functions
  // are over.
  //   row_ids: [groups x group_size];  go_on: asked several times a second
  //   INVALID_ARGUMENT, OUT_OF_RANGE  as ValidateIds
  //   FAILED_PRECONDITION             as RoomForGroups
  //   RESOURCE_EXHAUSTED              more than PinLimit() would be pinned, names both numbers; or
  //                                   readers were too slow to make room
  //   DATA_LOSS                       as Fetch
  //   CANCELLED                       `go_on` returned false
  virtual absl::StatusOr<PinCounts> Pin(const TableRef& table, absl::Span<const RowId> row_ids,
                                        absl::FunctionRef<bool()> go_on) = 0;

  // Lets groups go again, or, without any ids, all of the table; they leave RAM as others do.
  //   INVALID_ARGUMENT, OUT_OF_RANGE, FAILED_PRECONDITION, CANCELLED  as Pin
  virtual absl::StatusOr<PinCounts> Unpin(const TableRef& table, absl::Span<const RowId> row_ids,
                                          absl::FunctionRef<bool()> go_on) = 0;

  // How many groups of a table may be pinned: half of those that its fair share of RAM has room
  // for now.
  //   FAILED_PRECONDITION  as RoomForGroups
  virtual absl::StatusOr<uint64_t> PinLimit(const TableRef& table) const = 0;

  virtual StoreStats Stats() const = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_TIERED_STORE_H_
