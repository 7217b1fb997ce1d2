#include "client/row_pipeline.h"

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "client/fetch_request.h"
#include "proto/shared_memory.h"

namespace engram {
namespace {

constexpr size_t kMaxDepth = 1024;

absl::Status CheckOptions(const std::vector<Table*>& tables, const RowPipelineOptions& options) {
  if (tables.empty()) {
    return absl::InvalidArgumentError("a pipeline needs at least one table");
  }
  if (options.depth == 0 || options.depth > kMaxDepth) {
    return absl::InvalidArgumentError(
        absl::StrCat("depth must be 1 to ", kMaxDepth, ", not ", options.depth));
  }
  if ((options.allocate == nullptr) != (options.free == nullptr)) {
    return absl::InvalidArgumentError("allocate and free must be given both, or neither");
  }
  for (const Table* table : tables) {
    const uint64_t most = table->max_fetch_rows() / table->spec().group_size;
    if (options.max_groups == 0 || options.max_groups > most) {
      return absl::InvalidArgumentError(absl::StrCat("max_groups must be 1 to ", most,
                                                     " for table \"", table->name(), "\", not ",
                                                     options.max_groups));
    }
  }
  return absl::OkStatus();
}

// Of a table's rows in a buffer.
size_t PartBytes(const Table& table, size_t max_groups) {
  const size_t bytes = max_groups * table.spec().group_size * table.spec().row_bytes;
  return (bytes + shm::kPageBytes - 1) / shm::kPageBytes * shm::kPageBytes;
}

}  // namespace

// The buffers, and which of them are free.
class RowPipeline::Ring {
 public:
  explicit Ring(RowPipelineOptions options) : options_(std::move(options)) {}

  ~Ring() {
    for (const Buffer& buffer : buffers_) {
      if (buffer.registered && options_.unregister_buffer != nullptr) {
        options_.unregister_buffer(buffer.bytes);
      }
      if (!buffer.own.has_value()) {
        options_.free(buffer.bytes.data(), buffer.bytes.size());
      }
    }
  }

  // Makes one more buffer; by one thread, before all else.
  absl::Status Add(Client& client, const std::vector<size_t>& part_bytes) {
    size_t bytes = 0;
    for (const size_t part : part_bytes) bytes += part;
    absl::StatusOr<Buffer> allocated = Allocate(client, bytes);
    if (!allocated.ok()) {
      return allocated.status();
    }
    Buffer& buffer = buffers_.emplace_back(*std::move(allocated));
    if (options_.register_buffer != nullptr) {
      if (absl::Status status = options_.register_buffer(buffer.bytes); !status.ok()) {
        return status;
      }
    }
    buffer.registered = true;
    size_t offset = 0;
    for (const size_t part : part_bytes) {
      buffer.parts.push_back(buffer.bytes.subspan(offset, part));
      offset += part;
    }
    Give(buffers_.size() - 1);
    return absl::OkStatus();
  }

  std::optional<size_t> Take() {
    absl::MutexLock lock(&mutex_);
    if (free_.empty()) {
      return std::nullopt;
    }
    const size_t slot = free_.back();
    free_.pop_back();
    return slot;
  }

  void Give(size_t slot) {
    absl::MutexLock lock(&mutex_);
    free_.push_back(slot);
  }

  // [tables]
  const std::vector<absl::Span<std::byte>>& parts(size_t slot) const {
    return buffers_[slot].parts;
  }

  bool shareable() const {
    return std::all_of(buffers_.begin(), buffers_.end(), [](const Buffer& buffer) {
      return buffer.own.has_value() && buffer.own->shareable();
    });
  }

  size_t depth() const { return options_.depth; }

 private:
  struct Buffer {
    std::optional<RowBuffer> own;  // nothing: the allocator's memory
    absl::Span<std::byte> bytes;
    std::vector<absl::Span<std::byte>> parts = {};  // [tables]
    bool registered = false;
  };

  absl::StatusOr<Buffer> Allocate(Client& client, size_t bytes) const {
    if (options_.allocate == nullptr) {
      absl::StatusOr<RowBuffer> own = client.NewRowBuffer(bytes);
      if (!own.ok()) {
        return own.status();
      }
      const absl::Span<std::byte> all = own->bytes();
      return Buffer{.own = *std::move(own), .bytes = all.first(bytes)};
    }
    std::byte* const memory = options_.allocate(bytes);
    if (memory == nullptr) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the allocator has no memory for ", bytes, " bytes of rows"));
    }
    if (reinterpret_cast<uintptr_t>(memory) % shm::kPageBytes != 0) {
      options_.free(memory, bytes);
      return absl::InvalidArgumentError("the allocator's memory is not page-aligned");
    }
    return Buffer{.own = std::nullopt, .bytes = absl::MakeSpan(memory, bytes)};
  }

  const RowPipelineOptions options_;
  std::vector<Buffer> buffers_;  // constant once all are made
  absl::Mutex mutex_;
  std::vector<size_t> free_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<std::unique_ptr<RowPipeline>> RowPipeline::Create(Client& client,
                                                                 std::vector<Table*> tables,
                                                                 RowPipelineOptions options) {
  if (absl::Status status = CheckOptions(tables, options); !status.ok()) {
    return status;
  }
  std::vector<size_t> part_bytes;
  for (const Table* table : tables) part_bytes.push_back(PartBytes(*table, options.max_groups));
  const size_t max_groups = options.max_groups;
  const size_t depth = options.depth;
  auto ring = std::make_shared<Ring>(std::move(options));
  for (size_t i = 0; i < depth; ++i) {
    if (absl::Status status = ring->Add(client, part_bytes); !status.ok()) {
      return status;
    }
  }
  return absl::WrapUnique(new RowPipeline(std::move(tables), max_groups, std::move(ring)));
}

RowPipeline::RowPipeline(std::vector<Table*> tables, size_t max_groups, std::shared_ptr<Ring> ring)
    : tables_(std::move(tables)), max_groups_(max_groups), ring_(std::move(ring)) {}

RowPipeline::~RowPipeline() = default;

bool RowPipeline::shareable() const { return ring_->shareable(); }

absl::Status RowPipeline::Check(absl::Span<const Request> requests) const {
  if (requests.size() != tables_.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "requests for ", requests.size(), " tables where the pipeline has ", tables_.size()));
  }
  for (size_t i = 0; i < tables_.size(); ++i) {
    const Table& table = *tables_[i];
    const size_t ids = requests[i].row_ids.size();
    const size_t most = max_groups_ * table.spec().group_size;
    if (ids > most) {
      return absl::InvalidArgumentError(absl::StrCat(ids, " row ids for table \"", table.name(),
                                                     "\" where a step has room for ", most));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<RowPipeline::Step> RowPipeline::Submit(absl::Span<const Request> requests) {
  if (absl::Status status = Check(requests); !status.ok()) {
    return status;
  }
  const std::optional<size_t> slot = ring_->Take();
  if (!slot.has_value()) {
    return absl::ResourceExhaustedError(absl::StrCat("the pipeline is full: ", ring_->depth(),
                                                     " steps are there, as many as its depth"));
  }
  Step step(ring_, *slot);
  std::vector<absl::Span<std::byte>> rows = ring_->parts(*slot);
  for (size_t i = 0; i < tables_.size(); ++i) {
    const Request& request = requests[i];
    rows[i] = rows[i].first(request.row_ids.size() * tables_[i]->spec().row_bytes);
    if (absl::Status status = ValidateFetch(*tables_[i], request.row_ids, rows[i], request.options);
        !status.ok()) {
      return status;
    }
  }
  for (size_t i = 0; i < tables_.size(); ++i) {
    step.parts_.push_back(
        {tables_[i]->Submit(requests[i].row_ids, rows[i], requests[i].options), rows[i]});
  }
  return step;
}

RowPipeline::Step::Step(std::shared_ptr<Ring> ring, size_t slot)
    : ring_(std::move(ring)), slot_(slot) {}

RowPipeline::Step::Step(Step&&) noexcept = default;

RowPipeline::Step& RowPipeline::Step::operator=(Step&& other) noexcept {
  if (this != &other) {
    Release();
    ring_ = std::move(other.ring_);
    slot_ = other.slot_;
    parts_ = std::move(other.parts_);
  }
  return *this;
}

RowPipeline::Step::~Step() { Release(); }

void RowPipeline::Step::Release() {
  if (ring_ == nullptr) {
    return;
  }
  Cancel();  // all of them, before waiting for any
  parts_.clear();
  ring_->Give(slot_);
  ring_.reset();
}

absl::Status RowPipeline::Step::Wait(size_t table) { return parts_[table].ticket.Wait(); }

absl::Status RowPipeline::Step::Wait() {
  absl::Status first;
  for (Part& part : parts_) first.Update(part.ticket.Wait());
  return first;
}

std::optional<absl::Status> RowPipeline::Step::TryWait(size_t table) {
  return parts_[table].ticket.TryWait();
}

std::optional<absl::Status> RowPipeline::Step::TryWait() {
  absl::Status first;
  for (Part& part : parts_) {
    const std::optional<absl::Status> status = part.ticket.TryWait();
    if (!status.has_value()) {
      return std::nullopt;
    }
    first.Update(*status);
  }
  return first;
}

absl::Span<const std::byte> RowPipeline::Step::rows(size_t table) const {
  return parts_[table].rows;
}

void RowPipeline::Step::Cancel() {
  for (Part& part : parts_) part.ticket.Cancel();
}

}  // namespace engram
