#include "storage/ram/reader_epochs.h"

namespace engram::storage {
namespace {

// Spreads threads evenly over the shards.
size_t ThreadNumber() {
  static std::atomic<size_t> next{0};
  thread_local const size_t number = next.fetch_add(1, std::memory_order_relaxed);
  return number;
}

}  // namespace

ReaderEpochs::Guard::~Guard() {
  if (count_ != nullptr) count_->fetch_sub(1, std::memory_order_seq_cst);
}

// Sequential consistency makes the protocol work: a reader counts itself, then finds the epoch
// unchanged; a writer changes the epoch, then looks at the counts. One of them sees the other.
ReaderEpochs::Guard ReaderEpochs::Enter() {
  Shard& shard = shards_[ThreadNumber() % kShards];
  while (true) {
    const uint64_t epoch = epoch_.load(std::memory_order_seq_cst);
    std::atomic<uint64_t>& count = shard.readers[epoch & 1];
    count.fetch_add(1, std::memory_order_seq_cst);
    if (epoch_.load(std::memory_order_seq_cst) == epoch) return Guard(&count);
    count.fetch_sub(1, std::memory_order_seq_cst);
  }
}

bool ReaderEpochs::TryAdvance() {
  const uint64_t next = epoch_.load(std::memory_order_relaxed) + 1;
  // Readers of epoch next - 2 share the parity of `next`.
  for (const Shard& shard : shards_) {
    if (shard.readers[next & 1].load(std::memory_order_seq_cst) != 0) return false;
  }
  epoch_.store(next, std::memory_order_seq_cst);
  return true;
}

}  // namespace engram::storage
