#include "client/ctl/replay.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "client/checkpoint/self_describing.h"
#include "client/ctl/chunk_source.h"
#include "client/ctl/table_names.h"

namespace engram::ctl {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(100);

absl::Status NameTable(const Table& table, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(
      status.code(), absl::StrCat(Describe(table.name(), table.version()), ": ", status.message()));
}

// What the threads share. Thread-safe.
class ReplayState {
 public:
  ReplayState(const NgramHasher& hasher, const TokenTrace& trace, const ReplayOptions& options)
      : source(hasher, trace, options.chunk_tokens, options.passes),
        tokens_per_second_(options.tokens_per_second),
        next_turn_(absl::Now()),
        running_(options.in_flight) {}

  ChunkSource source;
  std::atomic<uint64_t> tokens_done{0};

  void Stop() {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }

  // Blocks until it is the turn of a chunk of so many tokens. Returns whether it is: the replay may
  // have been stopped.
  bool AwaitTurn(size_t tokens) {
    absl::MutexLock lock(&mutex_);
    const absl::Time turn = next_turn_;
    if (tokens_per_second_ > 0) {
      next_turn_ = std::max(turn, absl::Now()) +
                   absl::Seconds(static_cast<double>(tokens) / tokens_per_second_);
      mutex_.AwaitWithDeadline(absl::Condition(&stopped_), turn);
    }
    return !stopped_;
  }

  // Keeps the first error, and stops all.
  void ThreadEnded(const absl::Status& status) {
    absl::MutexLock lock(&mutex_);
    status_.Update(status);
    if (!status.ok()) stopped_ = true;
    --running_;
  }

  bool AwaitThreads(absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    const auto ended = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return running_ == 0; };
    return mutex_.AwaitWithTimeout(absl::Condition(&ended), timeout);
  }

  absl::Status status() {
    absl::MutexLock lock(&mutex_);
    return status_;
  }

 private:
  const double tokens_per_second_;
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time next_turn_ ABSL_GUARDED_BY(mutex_);
  int running_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

// One thread: takes chunk after chunk, fetches it from all layers, checks it.
class Replayer {
 public:
  Replayer(const NgramHasher& hasher, const std::vector<ReplayTable>& tables, size_t chunk_tokens,
           bool check)
      : hasher_(hasher), tables_(tables), check_(check), layers_(tables.size()) {
    result_.groups.resize(hasher.max_ngram() - 1);
    const size_t ids = chunk_tokens * hasher.ids_per_position();
    for (size_t i = 0; i < layers_.size(); ++i) {
      layers_[i].ids.resize(ids);
      layers_[i].tiers.resize(ids / hasher.heads());
      layers_[i].rows.resize(ids * tables[i].table->spec().row_bytes);
    }
  }

  absl::Status Run(ReplayState& state) {
    while (true) {
      if (absl::Status status = state.source.Next(batch_); !status.ok()) return status;
      if (batch_.positions() == 0 || !state.AwaitTurn(batch_.positions())) break;
      if (absl::Status status = FetchChunk(); !status.ok()) return status;
      if (absl::Status status = CheckChunk(); !status.ok()) return status;
      Count();
      state.tokens_done.fetch_add(batch_.positions(), std::memory_order_relaxed);
    }
    return absl::OkStatus();
  }

  const ReplayResult& result() const { return result_; }

 private:
  // A chunk's buffers for one layer, as large as the largest chunk.
  struct Layer {
    std::vector<uint32_t> ids;
    std::vector<Tier> tiers;
    std::vector<std::byte> rows;
  };

  size_t ids() const { return batch_.positions() * hasher_.ids_per_position(); }
  absl::Span<std::byte> Rows(size_t layer) {
    return absl::MakeSpan(layers_[layer].rows)
        .subspan(0, ids() * tables_[layer].table->spec().row_bytes);
  }

  absl::Status FetchChunk() {
    for (size_t i = 0; i < layers_.size(); ++i) {
      const auto row_ids = absl::MakeSpan(layers_[i].ids).subspan(0, ids());
      if (absl::Status status = hasher_.Hash(i, batch_, row_ids); !status.ok()) return status;
    }
    const absl::Time start = absl::Now();
    std::vector<Ticket> tickets;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const FetchOptions options{
          .tiers = absl::MakeSpan(layers_[i].tiers).subspan(0, ids() / hasher_.heads())};
      tickets.push_back(tables_[i].table->Submit(
          absl::MakeConstSpan(layers_[i].ids).subspan(0, ids()), Rows(i), options));
    }
    for (size_t i = 0; i < layers_.size(); ++i) {
      if (absl::Status status = tickets[i].Wait(); !status.ok()) {
        return NameTable(*tables_[i].table, status);
      }
    }
    result_.chunk_latencies.push_back(absl::Now() - start);
    return absl::OkStatus();
  }

  absl::Status CheckChunk() {
    for (size_t i = 0; check_ && i < layers_.size(); ++i) {
      const Table& table = *tables_[i].table;
      const absl::Status status = CheckSelfDescribingRows(
          tables_[i].key, absl::MakeConstSpan(layers_[i].ids).subspan(0, ids()), Rows(i),
          table.spec().row_bytes);
      if (!status.ok()) return NameTable(table, status);
    }
    return absl::OkStatus();
  }

  void Count() {
    const size_t orders = result_.groups.size();
    for (size_t i = 0; i < layers_.size(); ++i) {
      result_.rows += ids();
      result_.bytes += Rows(i).size();
      // A position's groups stand in the order of their n-gram orders.
      for (size_t group = 0; group < batch_.positions() * orders; ++group) {
        ++result_.groups[group % orders][static_cast<size_t>(layers_[i].tiers[group])];
      }
    }
    result_.tokens += batch_.positions();
  }

  const NgramHasher& hasher_;
  const std::vector<ReplayTable>& tables_;
  const bool check_;
  NgramBatch batch_;
  std::vector<Layer> layers_;
  ReplayResult result_;
};

absl::Status CheckChunkSize(const NgramHasher& hasher, const std::vector<ReplayTable>& tables,
                            size_t chunk_tokens) {
  for (const ReplayTable& replayed : tables) {
    const uint64_t most = replayed.table->max_fetch_rows() / hasher.ids_per_position();
    if (chunk_tokens > most) {
      return absl::InvalidArgumentError(
          absl::StrCat("a fetch of ", chunk_tokens, " tokens is more than the daemon allows for ",
                       replayed.table->name(), ": use --chunk ", most, " or less"));
    }
  }
  return absl::OkStatus();
}

void Add(const ReplayResult& part, ReplayResult& sum) {
  sum.tokens += part.tokens;
  sum.rows += part.rows;
  sum.bytes += part.bytes;
  sum.groups.resize(part.groups.size());
  for (size_t order = 0; order < part.groups.size(); ++order) {
    for (size_t tier = 0; tier < part.groups[order].size(); ++tier) {
      sum.groups[order][tier] += part.groups[order][tier];
    }
  }
  sum.chunk_latencies.insert(sum.chunk_latencies.end(), part.chunk_latencies.begin(),
                             part.chunk_latencies.end());
}

}  // namespace

absl::StatusOr<ReplayResult> Replay(const NgramHasher& hasher, const TokenTrace& trace,
                                    const std::vector<ReplayTable>& tables,
                                    const ReplayOptions& options,
                                    const std::function<bool(uint64_t tokens_done)>& keep_going) {
  if (absl::Status status = CheckChunkSize(hasher, tables, options.chunk_tokens); !status.ok()) {
    return status;
  }
  ReplayState state(hasher, trace, options);
  std::vector<std::unique_ptr<Replayer>> replayers;
  for (int i = 0; i < options.in_flight; ++i) {
    replayers.push_back(
        std::make_unique<Replayer>(hasher, tables, options.chunk_tokens, options.check));
  }
  const absl::Time start = absl::Now();
  std::vector<std::thread> threads;
  for (const auto& replayer : replayers) {
    threads.emplace_back([&state, &replayer] { state.ThreadEnded(replayer->Run(state)); });
  }
  while (!state.AwaitThreads(kPollInterval)) {
    if (!keep_going(state.tokens_done.load(std::memory_order_relaxed))) state.Stop();
  }
  for (std::thread& thread : threads) thread.join();
  if (absl::Status status = state.status(); !status.ok()) return status;

  ReplayResult result;
  result.duration = absl::Now() - start;
  for (const auto& replayer : replayers) Add(replayer->result(), result);
  std::sort(result.chunk_latencies.begin(), result.chunk_latencies.end());
  result.complete = result.tokens == options.passes * trace.tokens.size();
  return result;
}

}  // namespace engram::ctl
