// The C++ client of engramd: what inference workers link.
//
//   auto client = engram::Client::Connect({.address = "unix:/run/engramd/engramd.sock"});
//   auto table = (*client)->OpenTable("deepseek-v4.1-flash/layer1");
//   absl::Status status = (*table)->Fetch(row_ids, rows);
//
// With a daemon on a Unix socket the client shares memory: fetches then take no system call while
// both sides are awake, and rows for a RowBuffer are written there by the daemon itself. Where
// memory cannot be shared, and while the daemon is away, fetches go by gRPC; the results are the
// same.
//
// By gRPC large answers are copied once, from the connection's buffers to the caller's memory.
// glibc gives freed buffers of that size back to the kernel and takes them anew for every answer; a
// worker that wants full speed there calls mallopt(M_MMAP_THRESHOLD, 256 << 20) and
// mallopt(M_TRIM_THRESHOLD, 1 << 30) at its start, which a library must not do behind its back.
#ifndef ENGRAM_CLIENT_ENGRAM_CLIENT_H_
#define ENGRAM_CLIENT_ENGRAM_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace engram {

struct ClientOptions {
  // "unix:PATH" or "HOST:PORT".
  std::string address = "unix:/run/engramd/engramd.sock";
  // How long Connect waits for the daemon.
  absl::Duration connect_timeout = absl::Seconds(5);
  // A lost connection is tried again after this long, doubling (with jitter) up to max_backoff.
  absl::Duration min_backoff = absl::Milliseconds(50);
  absl::Duration max_backoff = absl::Seconds(2);
  // Connections that fetches are spread over. More than one helps when a single connection's
  // thread is the bottleneck: above some 3 GB/s.
  int connections = 1;
  // Memory to share with a daemon on a Unix socket: ids and rows of the fetches under way, and the
  // RowBuffers. 0: all fetches go by gRPC.
  uint64_t shared_memory_bytes = uint64_t{64} << 20;
};

// How a row's values are stored. The numbers are those of engram.v1.ValueFormat.
enum class ValueFormat : uint32_t {
  kOpaque = 1,
  kFp8E4m3E8m0 = 2,
  kFp8E4m3 = 3,
  kBf16 = 4,
  kFp16 = 5,
  kFp32 = 6,
  kInt8 = 7,
};

// What a table is: see engram.v1.TableSpec.
struct TableSpec {
  uint64_t rows = 0;
  uint32_t row_bytes = 0;
  ValueFormat value_format = ValueFormat::kOpaque;
  uint32_t values_per_row = 0;
  uint32_t scale_block = 0;
  float scalar_scale = 1.0F;
  uint32_t group_size = 1;
  std::vector<uint32_t> orders;
};

// Where a group was found. kAbsent: it was not there at the deadline. The numbers are those of
// engram.v1.Tier.
enum class Tier : uint8_t { kRam = 1, kWarm = 2, kCold = 3, kAbsent = 4 };

struct FetchOptions {
  // When to give up: past it the fetch fails with DEADLINE_EXCEEDED.
  absl::Time deadline = absl::InfiniteFuture();
  // When the rows are needed. The daemon reads first what is needed first, and counts who was late.
  // Not given, it is the deadline or, if there is none, the table's window at the daemon.
  absl::Time needed_at = absl::InfiniteFuture();
  // out: [groups], the tier each group was found in; empty if not wanted. Must live as `rows`.
  absl::Span<Tier> tiers = {};
  // At the deadline the fetch ends well with what the daemon has by then. `tiers`, which it needs,
  // says kAbsent of the groups that are not there; all bytes of their rows are 0xFF, which is no
  // number in any format of floats. Those are read on, and are there the next time if that is soon.
  // Without it, a fetch has all of its rows or fails.
  bool partial = false;
  // A part of something long, as a prompt that is read in chunks: the daemon lets fetches without
  // this overtake it, but for a share of the disk that it keeps.
  bool bulk = false;
  // Called once with what Wait returns, when the fetch is done or was refused; perhaps before
  // Submit has returned, and at the latest by the end of the Ticket's destructor, which waits for
  // it: so nobody may destroy a Ticket with a lock that its callback takes.
  //
  // One thread of the client's own calls all callbacks, one after another. It also moves those
  // fetches on, so that a callback must not block; it may submit and cancel fetches, and destroy
  // Tickets, Tables and Clients. Fetches without one do not depend on that thread.
  std::function<void(const absl::Status& status)> on_done = nullptr;
};

class FetchCall;  // fetch_call.h

// A fetch under way. Movable; one thread at a time. May outlive its Table and Client. After it was
// moved from it may only be destroyed or assigned to.
class Ticket {
 public:
  explicit Ticket(std::shared_ptr<FetchCall> call);
  Ticket(Ticket&&) noexcept;
  Ticket& operator=(Ticket&&) noexcept;
  // Cancels the fetch if it is not done, and waits until its buffers are no longer written.
  ~Ticket();

  // Waits for the fetch and returns its status; the codes are those of Table::Fetch. May be called
  // again.
  absl::Status Wait();

  // Whether Wait would return at once.
  bool done() const;

  // What Wait returns, if it would return at once; otherwise nothing.
  std::optional<absl::Status> TryWait();

  // Gives the fetch up, which the daemon soon stops reading for: Wait returns CANCELLED unless it
  // was already done.
  void Cancel();

 private:
  void Release();
  std::shared_ptr<FetchCall> call_;
};

// A table, pinned to the version and content it had when opened. Thread-safe. Outlives its Client.
class Table {
 public:
  virtual ~Table() = default;

  virtual const std::string& name() const = 0;
  virtual uint64_t version() const = 0;
  // XXH3-128 of all rows, 16 bytes.
  virtual const std::string& digest() const = 0;
  virtual const TableSpec& spec() const = 0;
  // Most row ids that one fetch may carry.
  virtual uint64_t max_fetch_rows() const = 0;

  // Starts to fetch rows into the caller's memory and returns at once.
  //   row_ids: [groups x group_size], group-major; copied before this returns
  //   rows: out, [row_ids x spec().row_bytes], in the order of row_ids; unspecified after an error;
  //         must live until the ticket was waited for or destroyed
  // A connection lost on the way is made again and the fetch repeated, until the deadline or, for
  // fetches without one, for ten seconds. Errors, from the ticket's Wait:
  //   INVALID_ARGUMENT     no ids, no whole groups, or an output of the wrong size
  //   OUT_OF_RANGE         an id is not in the table
  //   NOT_FOUND            the table or this version of it was dropped
  //   FAILED_PRECONDITION  the daemon now holds other content under this name and version
  //   RESOURCE_EXHAUSTED   more than max_fetch_rows ids, or the daemon is overloaded
  //   DEADLINE_EXCEEDED, CANCELLED
  //   UNAVAILABLE          the daemon is not there
  //   DATA_LOSS            the daemon could not read a row
  //   INTERNAL             the answer does not fit the request
  // FAILED_PRECONDITION also where `rows` lies in a RowBuffer that a daemon which hangs was to
  // write to: that fetch failed with UNAVAILABLE, and the buffer is good for nothing any more.
  virtual Ticket Submit(absl::Span<const uint32_t> row_ids, absl::Span<std::byte> rows,
                        const FetchOptions& options = {}) = 0;

  // A hint that these rows will be fetched soon, as of draft tokens or a known prompt. The daemon
  // reads them behind all else, as far as it has room for them; no rows of fetches give way. Sends
  // it, and does not wait for it: whether it came to anything only Stats of the daemon tell.
  //   row_ids: [groups x group_size], copied
  //   INVALID_ARGUMENT, OUT_OF_RANGE, RESOURCE_EXHAUSTED  as Submit
  //   UNAVAILABLE  too many hints are under way, or the daemon is not there
  virtual absl::Status Prefetch(absl::Span<const uint32_t> row_ids) = 0;

  // Submit and Wait.
  absl::Status Fetch(absl::Span<const uint32_t> row_ids, absl::Span<std::byte> rows,
                     const FetchOptions& options = {}) {
    return Submit(row_ids, rows, options).Wait();
  }
};

// Page-aligned memory for rows, where a daemon that shares memory can write them without a copy.
// Its pages are there, and stay where they are, so that a GPU's driver may pin them. Movable; may
// outlive its Client.
class RowBuffer {
 public:
  class Memory;  // row_buffer.h
  explicit RowBuffer(std::unique_ptr<Memory> memory);
  RowBuffer(RowBuffer&&) noexcept;
  RowBuffer& operator=(RowBuffer&&) noexcept;
  // No fetch into it may be under way.
  ~RowBuffer();

  // [bytes asked for, rounded up to whole pages]
  absl::Span<std::byte> bytes() const;

  // Whether the memory is of the kind that can be shared.
  bool shareable() const;

 private:
  std::unique_ptr<Memory> memory_;
};

// A connection to one daemon. Thread-safe.
class Client {
 public:
  // Connects, waiting up to connect_timeout for the daemon.
  //   INVALID_ARGUMENT  an option is out of range
  //   UNAVAILABLE       nobody answers there
  //   INTERNAL          who answers there is no engramd
  static absl::StatusOr<std::unique_ptr<Client>> Connect(const ClientOptions& options);
  virtual ~Client() = default;

  // Opens the published version of a table, or `version` if it is not 0. Waits for the daemon as
  // Connect does.
  //   NOT_FOUND    no table of that name, no such version, or none published
  //   UNAVAILABLE  nobody answers
  //   INTERNAL     the answer does not fit the request
  virtual absl::StatusOr<std::unique_ptr<Table>> OpenTable(absl::string_view name,
                                                           uint64_t version = 0) = 0;

  // Memory for `bytes` bytes, a part of ClientOptions.shared_memory_bytes. Where none is shared, or
  // no piece as large is left, it is memory of this process alone: then fetches into it are copied.
  //   RESOURCE_EXHAUSTED  there is no memory
  virtual absl::StatusOr<RowBuffer> NewRowBuffer(size_t bytes) = 0;

  // OK if memory is shared with the daemon just now, or says why not.
  virtual absl::Status shared_memory() const = 0;
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_ENGRAM_CLIENT_H_
