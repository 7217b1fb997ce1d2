// A ring of buffers for workers that fetch rows step by step, for several tables at once.
//
//   auto pipeline = engram::RowPipeline::Create(*client, {&layer1, &layer14}, {.max_groups = 3});
//   for (each step, as soon as its token is known) {
//     auto step = (*pipeline)->Submit({{.row_ids = ids1}, {.row_ids = ids14}});
//     // ... the layers before ...
//     absl::Status status = step->Wait(0);         // step->rows(0): [ids1 x row_bytes]
//     // ... the layers between ...
//     status = step->Wait(1);
//   }                                              // its buffer is free again
#ifndef ENGRAM_CLIENT_ROW_PIPELINE_H_
#define ENGRAM_CLIENT_ROW_PIPELINE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/engram_client.h"

namespace engram {

struct RowPipelineOptions {
  // Steps that may be there at a time, under way or in use.
  size_t depth = 2;
  // Most groups that a step has of one table.
  size_t max_groups = 0;

  // Where buffers come from and go to; both or neither. Not given, they are RowBuffers, which the
  // daemon can write to; rows for any other memory are copied there.
  //   returns page-aligned memory, whose pages are there, or null if there is none
  std::function<std::byte*(size_t bytes)> allocate = nullptr;
  std::function<void(std::byte* memory, size_t bytes)> free = nullptr;

  // What is done once with each buffer when it was made, and before it goes: a GPU's driver may pin
  // it. An error is Create's, and that buffer is not unregistered. Either may be missing.
  std::function<absl::Status(absl::Span<std::byte> buffer)> register_buffer = nullptr;
  std::function<void(absl::Span<std::byte> buffer)> unregister_buffer = nullptr;
};

// Thread-safe. It has one buffer for each step that may be there, page-aligned, where the rows of
// each table begin a page of their own. After a daemon hung (see Table::Submit) a buffer may be
// good for nothing, and every step that gets it fails with FAILED_PRECONDITION: then make another
// pipeline.
class RowPipeline {
 public:
  class Step;

  // What a step needs of one table.
  struct Request {
    // [groups x group_size], group-major; at least one group. Copied before Submit returns.
    absl::Span<const uint32_t> row_ids;
    FetchOptions options = {};
  };

  // Makes the buffers and registers them. All hooks are called by this thread; those that undo it
  // by the thread that destroys the last of the pipeline and its steps.
  //   tables: must outlive the pipeline, though not its steps
  //   INVALID_ARGUMENT    an option is out of range, there is no table, or an allocator's memory is
  //                       not page-aligned
  //   RESOURCE_EXHAUSTED  there is no memory
  //   as register_buffer says
  static absl::StatusOr<std::unique_ptr<RowPipeline>> Create(Client& client,
                                                             std::vector<Table*> tables,
                                                             RowPipelineOptions options);
  ~RowPipeline();

  // Starts to fetch a step's rows, of all tables at once, and returns without waiting for them.
  //   requests: [tables]
  // What the fetches end with, the step's Wait says. They are not started, and nothing changes, if
  //   INVALID_ARGUMENT    there is not one request for each table, or one of them has no ids, no
  //                       whole groups, more than max_groups, or tiers of the wrong size or lacking
  //   OUT_OF_RANGE        an id is not in its table
  //   RESOURCE_EXHAUSTED  `depth` steps are there
  // Messages name the offence.
  absl::StatusOr<Step> Submit(absl::Span<const Request> requests);

  // Whether the daemon can write rows to all the buffers without a copy.
  bool shareable() const;

 private:
  class Ring;

  RowPipeline(std::vector<Table*> tables, size_t max_groups, std::shared_ptr<Ring> ring);
  // Whether the requests fit the pipeline; whether they fit their tables, is ValidateFetch's.
  absl::Status Check(absl::Span<const Request> requests) const;

  const std::vector<Table*> tables_;
  const size_t max_groups_;
  const std::shared_ptr<Ring> ring_;
};

// One step's fetches and the buffer that they have. Movable; one thread at a time. May outlive the
// pipeline, whose buffers then stay. `table` is an index into the pipeline's tables. After it was
// moved from it may only be destroyed or assigned to.
class RowPipeline::Step {
 public:
  Step(Step&&) noexcept;
  Step& operator=(Step&&) noexcept;
  // Cancels what is not done, waits until the buffer is no longer written, and gives it back.
  ~Step();

  // Waits for a table's rows, and returns what the fetch ended with: see Table::Submit. May be
  // called again.
  absl::Status Wait(size_t table);
  // Waits for all tables' rows; returns the first table's error.
  absl::Status Wait();

  // As Wait where that would not wait; otherwise nothing.
  std::optional<absl::Status> TryWait(size_t table);
  std::optional<absl::Status> TryWait();

  // A table's rows, [row_ids x row_bytes], in the buffer: there once Wait has returned OK.
  absl::Span<const std::byte> rows(size_t table) const;

  // Gives up what is not done: see Ticket::Cancel.
  void Cancel();

 private:
  friend class RowPipeline;
  struct Part {
    Ticket ticket;
    absl::Span<const std::byte> rows;
  };

  Step(std::shared_ptr<Ring> ring, size_t slot);
  void Release();

  std::shared_ptr<Ring> ring_;
  size_t slot_;
  std::vector<Part> parts_;  // [tables]
};

}  // namespace engram

#endif  // ENGRAM_CLIENT_ROW_PIPELINE_H_
