#include "tests/bench/ram_bench.h"

#include <algorithm>
#include <array>
#include <barrier>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "storage/ram/huge_region.h"
#include "storage/ram/ram_tiers.h"
#include "storage/table_spec.h"
#include "tests/bench/bench_table.h"
#include "tests/bench/gather_loops.h"
#include "tests/bench/measure.h"

namespace engram::bench {
namespace {

using storage::HugeRegion;
using storage::ByteBudget;
using storage::RamTier;
using storage::RowId;

constexpr size_t kThreads = 2;

class RamBench {
 public:
  explicit RamBench(const RamBenchOptions& options)
      : options_(options),
        spec_(BenchSpec(options.payload_bytes, options.row_bytes, options.group_size)),
        groups_(spec_.rows / spec_.group_size),
        group_bytes_(spec_.group_bytes()),
        budget_(std::make_shared<ByteBudget>(~uint64_t{0})),
        flat_(budget_, spec_.table_bytes()),
        // Room for ids, index and rounding; the cache takes what it needs.
        cache_memory_(spec_.table_bytes() + groups_ * (options.group_size * 4 + 16) + (64 << 20)),
        table_memory_(spec_.table_bytes() + (1 << 20)) {}

  absl::Status SetUp() {
    if (!flat_.GrowTo(spec_.table_bytes())) return absl::ResourceExhaustedError("flat array");
    auto table = table_memory_.NewWholeTable(spec_);
    if (!table.ok()) return table.status();
    table_ = *std::move(table);
    cache_ = cache_memory_.NewCache(spec_);
    Fill();
    for (Worker& worker : workers_) {
      worker.out = std::make_unique<HugeRegion>(budget_, options_.batch_rows * spec_.row_bytes);
      if (!worker.out->GrowTo(worker.out->max_bytes())) {
        return absl::ResourceExhaustedError("output");
      }
      std::memset(worker.out->data(), 0, worker.out->bytes());
    }
    DrawBatches();
    return CheckLookups();
  }

  nlohmann::json Run();

 private:
  struct Worker {
    std::vector<std::vector<uint32_t>> groups;  // by batch
    std::vector<std::vector<RowId>> group_ids;  // the rows of those groups
    std::vector<std::vector<RowId>> rows;       // rows at random
    std::unique_ptr<HugeRegion> out;
    std::vector<uint32_t> misses;
  };
  using Work = std::function<void(Worker&)>;

  // Flat array, table and cache fill side by side, so that all three get the same mix of physical
  // memory: on a virtual machine not all of it is equally fast.
  void Fill() {
    const size_t batch = std::min<uint64_t>(groups_, 1024);
    std::vector<RowId> ids(batch * spec_.group_size);
    std::vector<uint32_t> indices(batch);
    std::iota(indices.begin(), indices.end(), 0u);
    for (uint64_t first = 0; first < groups_; first += batch) {
      const uint64_t count = std::min<uint64_t>(batch, groups_ - first);
      const uint64_t first_row = first * spec_.group_size;
      const uint64_t rows = count * spec_.group_size;
      std::byte* const flat = flat_.data() + first * group_bytes_;
      for (uint64_t i = 0; i < rows; ++i) {
        ids[i] = static_cast<RowId>(first_row + i);
        FillRow(ids[i], {flat + i * spec_.row_bytes, spec_.row_bytes});
      }
      table_->Load(first_row, absl::MakeConstSpan(flat, rows * spec_.row_bytes));
      cache_->Admit(absl::MakeConstSpan(ids).first(rows), flat,
                    absl::MakeConstSpan(indices).first(count));
    }
  }

  // Full index buckets may have cost the cache a group or two.
  uint32_t DrawHeldGroup(std::mt19937_64& random, Worker& worker) {
    std::vector<RowId> ids(spec_.group_size);
    while (true) {
      const auto group = static_cast<uint32_t>(random() % groups_);
      std::iota(ids.begin(), ids.end(), group * spec_.group_size);
      worker.misses.clear();
      cache_->Lookup(ids, worker.out->data(), &worker.misses);
      if (worker.misses.empty()) return group;
    }
  }

  void DrawBatches() {
    std::mt19937_64 random(1);
    const size_t batch_groups = options_.batch_rows / spec_.group_size;
    const size_t batches = std::max<size_t>(1, options_.rows_per_run / options_.batch_rows);
    for (Worker& worker : workers_) {
      for (size_t batch = 0; batch < batches; ++batch) {
        auto& groups = worker.groups.emplace_back();
        auto& ids = worker.group_ids.emplace_back();
        auto& rows = worker.rows.emplace_back();
        for (size_t i = 0; i < batch_groups; ++i) {
          groups.push_back(DrawHeldGroup(random, worker));
          for (uint32_t head = 0; head < spec_.group_size; ++head) {
            ids.push_back(groups.back() * spec_.group_size + head);
            rows.push_back(static_cast<RowId>(random() % spec_.rows));
          }
        }
      }
    }
  }

  absl::Status CheckTier(RamTier& tier, absl::Span<const RowId> ids, Worker& worker) {
    worker.misses.clear();
    tier.Lookup(ids, worker.out->data(), &worker.misses);
    if (!worker.misses.empty()) {
      return absl::InternalError(absl::StrCat(worker.misses.size(), " groups are not held"));
    }
    for (size_t i = 0; i < ids.size(); ++i) {
      if (std::memcmp(worker.out->data() + i * spec_.row_bytes,
                      flat_.data() + ids[i] * size_t{spec_.row_bytes}, spec_.row_bytes) != 0) {
        return absl::InternalError(absl::StrCat("row ", ids[i], " came back wrong"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckLookups() {
    for (Worker& worker : workers_) {
      for (size_t batch = 0; batch < worker.rows.size(); ++batch) {
        if (auto status = CheckTier(*cache_, worker.group_ids[batch], worker); !status.ok()) {
          return status;
        }
        if (auto status = CheckTier(*table_, worker.rows[batch], worker); !status.ok()) {
          return status;
        }
      }
    }
    return absl::OkStatus();
  }

  Work GatherGroups(const GatherVariant& variant) {
    return [this, variant](Worker& worker) {
      for (const auto& groups : worker.groups) {
        variant.loop(flat_.data(), groups, group_bytes_, variant.ahead, worker.out->data());
      }
    };
  }
  Work GatherRows(const GatherVariant& variant) {
    return [this, variant](Worker& worker) {
      for (const auto& rows : worker.rows) {
        variant.loop(flat_.data(), rows, spec_.row_bytes, variant.ahead, worker.out->data());
      }
    };
  }
  Work LookUp(RamTier* tier, std::vector<std::vector<RowId>> Worker::*batches) {
    return [tier, batches](Worker& worker) {
      for (const auto& ids : worker.*batches) {
        tier->Lookup(ids, worker.out->data(), &worker.misses);
      }
    };
  }

  double RowsPerSecond(const Work& work, size_t threads);
  GatherVariant Fastest(size_t item_bytes, const std::function<Work(const GatherVariant&)>& work);

  const RamBenchOptions options_;
  const storage::TableSpec spec_;
  const uint64_t groups_;
  const size_t group_bytes_;
  const std::shared_ptr<ByteBudget> budget_;
  HugeRegion flat_;
  storage::RamTiers cache_memory_;
  storage::RamTiers table_memory_;
  std::unique_ptr<RamTier> cache_;
  std::unique_ptr<storage::WholeTable> table_;
  std::array<Worker, kThreads> workers_;
};

double RamBench::RowsPerSecond(const Work& work, size_t threads) {
  using Clock = std::chrono::steady_clock;
  std::barrier start(static_cast<ptrdiff_t>(threads));
  std::vector<std::thread> others;
  for (size_t i = 1; i < threads; ++i) {
    others.emplace_back([&, i] {
      start.arrive_and_wait();
      work(workers_[i]);
    });
  }
  start.arrive_and_wait();
  const Clock::time_point begin = Clock::now();
  work(workers_[0]);
  for (std::thread& other : others) other.join();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const size_t rows = workers_[0].rows.size() * workers_[0].rows[0].size();
  return static_cast<double>(rows * threads) / seconds;
}

GatherVariant RamBench::Fastest(size_t item_bytes,
                                const std::function<Work(const GatherVariant&)>& work) {
  const std::vector<GatherVariant> variants = GatherVariants(item_bytes);
  std::vector<std::vector<double>> rates(variants.size());
  for (int run = 0; run < options_.runs; ++run) {
    for (size_t i = 0; i < variants.size(); ++i) {
      rates[i].push_back(RowsPerSecond(work(variants[i]), 1));
    }
  }
  size_t best = 0;
  for (size_t i = 1; i < variants.size(); ++i) {
    if (Median(rates[i]) > Median(rates[best])) best = i;
  }
  return variants[best];
}

nlohmann::json RamBench::Run() {
  const GatherVariant groups =
      Fastest(group_bytes_, [&](const auto& v) { return GatherGroups(v); });
  const GatherVariant rows = Fastest(spec_.row_bytes, [&](const auto& v) { return GatherRows(v); });
  const Work gather_groups = GatherGroups(groups);
  const Work gather_rows = GatherRows(rows);
  const Work look_up = LookUp(cache_.get(), &Worker::group_ids);
  const Work look_up_all = LookUp(table_.get(), &Worker::rows);
  std::vector<double> limit, cache, limit_2, cache_2, limit_all, all;
  for (int run = 0; run < options_.runs; ++run) {
    limit.push_back(RowsPerSecond(gather_groups, 1));
    cache.push_back(RowsPerSecond(look_up, 1));
    cache_2.push_back(RowsPerSecond(look_up, kThreads));
    limit_2.push_back(RowsPerSecond(gather_groups, kThreads));
    limit_all.push_back(RowsPerSecond(gather_rows, 1));
    all.push_back(RowsPerSecond(look_up_all, 1));
  }
  const storage::RamTierStats stats = cache_->Stats();
  const auto payload = static_cast<double>(stats.rows * spec_.row_bytes);
  return {{"payload_bytes", spec_.table_bytes()},
          {"row_bytes", spec_.row_bytes},
          {"group_size", spec_.group_size},
          {"batch_rows", options_.batch_rows},
          {"runs", options_.runs},
          {"limit_rows_per_s", Median(limit)},
          {"cache_rows_per_s", Median(cache)},
          {"limit_rows_per_s_2", Median(limit_2)},
          {"cache_rows_per_s_2", Median(cache_2)},
          {"limit_all_rows_per_s", Median(limit_all)},
          {"all_rows_per_s", Median(all)},
          {"ratio_to_limit", MedianRatio(cache, limit)},
          {"ratio_to_limit_2", MedianRatio(cache_2, limit_2)},
          {"ratio_to_limit_all", MedianRatio(all, limit_all)},
          {"thread_scaling", MedianRatio(cache_2, cache)},
          {"limit_thread_scaling", MedianRatio(limit_2, limit)},
          {"limit_loop", groups.name},
          {"limit_loop_all", rows.name},
          {"metadata_ratio", static_cast<double>(stats.bytes) / payload - 1}};
}

}  // namespace

absl::StatusOr<nlohmann::json> RunRamBench(const RamBenchOptions& options) {
  if (options.runs < kMinRounds || options.row_bytes == 0 || options.group_size == 0 ||
      options.batch_rows == 0 || options.batch_rows % options.group_size != 0 ||
      options.payload_bytes < uint64_t{options.row_bytes} * options.group_size) {
    return absl::InvalidArgumentError(
        "ram: needs 5 runs or more, batches of whole groups, and payload for one group");
  }
  auto bench = std::make_unique<RamBench>(options);
  if (absl::Status status = bench->SetUp(); !status.ok()) return status;
  return bench->Run();
}

}  // namespace engram::bench
