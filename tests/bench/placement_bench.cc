#include "tests/bench/placement_bench.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "storage/ram/group_index.h"
#include "tests/bench/belady.h"
#include "tests/bench/cache_models.h"
#include "tests/bench/policy_cache.h"
#include "tests/bench/report.h"
#include "tests/bench/warm_placement.h"

namespace engram::bench {
namespace {

// Long enough for the clock and for what the two caches take from each other in the CPU's caches.
constexpr size_t kTimedAccesses = size_t{1} << 16;

struct Model {
  const char* name;
  std::unique_ptr<CacheModel> (*make)(uint32_t groups, uint32_t slots);
};
constexpr Model kModels[] = {{"lru", NewLru}, {"s3fifo", NewS3Fifo}, {"w_tinylfu", NewWTinyLfu}};

double Ratio(uint64_t part, uint64_t all) {
  return static_cast<double>(part) / static_cast<double>(std::max<uint64_t>(1, all));
}

// Of the trace's own groups, after the seed.
uint64_t HitsOf(CacheModel& cache, const GroupTrace& trace) {
  for (const uint32_t group : trace.seed) cache.Use(group);
  uint64_t hits = 0;
  for (const uint32_t group : trace.accesses) {
    const bool held = cache.Use(group);
    hits += held && group < trace.distinct ? 1 : 0;
  }
  return hits;
}

// The policy beside one that does nothing, to tell its time from that of the cache around it.
class PolicyRun {
 public:
  PolicyRun(const GroupTrace& trace, uint32_t slots)
      : trace_(trace),
        cache_(trace.keys, NewRamPolicy(trace.orders), slots),
        hits_(trace.orders),
        accesses_(trace.orders) {
    auto recorded = std::make_unique<RecordedPolicy>();
    recorded_ = recorded.get();
    recorded_cache_.emplace(trace.keys, std::move(recorded), slots);
    ForEachPart(trace.seed, [this](absl::Span<const uint32_t> part) { Replay(part); });
    ForEachPart(trace.accesses, [this](absl::Span<const uint32_t> part) {
      policy_time_ += Replay(part);
      Count(part);
    });
  }

  uint64_t hits() const { return std::accumulate(hits_.begin(), hits_.end(), uint64_t{0}); }

  nlohmann::json HitRatioByOrder() const {
    nlohmann::json json;
    for (size_t i = 0; i < hits_.size(); ++i) {
      json[absl::StrCat(i + 2)] = Ratio(hits_[i], accesses_[i]);
    }
    return json;
  }

  double policy_ns_per_group() const {
    return policy_time_.count() / static_cast<double>(trace_.accesses.size());
  }

 private:
  using Nanoseconds = std::chrono::duration<double, std::nano>;

  template <typename Function>
  static void ForEachPart(absl::Span<const uint32_t> accesses, Function function) {
    for (size_t at = 0; at < accesses.size(); at += kTimedAccesses) {
      function(accesses.subspan(at, kTimedAccesses));
    }
  }

  // Returns how much longer the policy takes than none.
  Nanoseconds Replay(absl::Span<const uint32_t> part) {
    cache_.ForgetPicks();
    recorded_cache_->ForgetPicks();
    const Nanoseconds with = UseAll(part, &cache_);
    recorded_->SetPicks(cache_.picks());
    return with - UseAll(part, &*recorded_cache_);
  }

  Nanoseconds UseAll(absl::Span<const uint32_t> part, PolicyCache* cache) {
    held_.resize(part.size());
    const auto start = std::chrono::steady_clock::now();
    for (size_t i = 0; i < part.size(); ++i) held_[i] = cache->Use(part[i]) ? 1 : 0;
    return std::chrono::steady_clock::now() - start;
  }

  void Count(absl::Span<const uint32_t> part) {
    for (size_t i = 0; i < part.size(); ++i) {
      const uint32_t order = trace_.keys[part[i]].order;
      ++accesses_[order];
      hits_[order] += held_[i];
    }
  }

  const GroupTrace& trace_;
  PolicyCache cache_;
  RecordedPolicy* recorded_;  // recorded_cache_'s
  std::optional<PolicyCache> recorded_cache_;
  std::vector<uint8_t> held_;
  std::vector<uint64_t> hits_;      // [orders]
  std::vector<uint64_t> accesses_;  // likewise
  Nanoseconds policy_time_{0};
};

void AddScan(const GroupTrace& scan, uint32_t slots, uint64_t accesses, nlohmann::json* json) {
  PolicyCache cache(scan.keys, NewRamPolicy(scan.orders), slots);
  (*json)["hit_ratio_with_scan"] = Ratio(HitsOf(cache, scan), accesses);
  for (const Model& model : kModels) {
    const auto other = model.make(scan.groups(), slots);
    (*json)[absl::StrCat(model.name, "_with_scan")] = Ratio(HitsOf(*other, scan), accesses);
  }
}

// A warm record is one read, where the cold tier needs one for each row.
double ReadsPerToken(const GroupTrace& trace, uint64_t warm, uint64_t cold) {
  return Ratio(warm + cold * trace.group_size, trace.tokens);
}

absl::Status AddWarm(const GroupTrace& trace, uint32_t slots, double warm, nlohmann::json* json) {
  const auto warm_slots = static_cast<uint64_t>(warm * trace.distinct);
  const auto tiers = WarmPlacement::Create(trace, slots, warm_slots);
  if (!tiers.ok()) return tiers.status();
  (*tiers)->Replay(trace.seed);
  for (int pass = 0; pass < 2; ++pass) {
    const TierHits hits = (*tiers)->Replay(trace.accesses);
    const double reads = ReadsPerToken(trace, hits.warm, hits.cold);
    const double without = ReadsPerToken(trace, 0, hits.warm + hits.cold);
    (*json)["warm_passes"].push_back({{"hit_ratio", Ratio(hits.ram, trace.accesses.size())},
                                      {"warm_hit_ratio", Ratio(hits.warm, trace.accesses.size())},
                                      {"nvme_reads_per_token", reads},
                                      {"ratio_to_cold_alone", without > 0 ? reads / without : 1}});
  }
  return absl::OkStatus();
}

uint64_t SlotsFor(const GroupTrace& trace, double share) {
  return static_cast<uint64_t>(share * trace.distinct);
}

absl::StatusOr<nlohmann::json> RunSize(const GroupTrace& trace,
                                       const std::optional<GroupTrace>& scan, double warm,
                                       double share) {
  const auto slots = static_cast<uint32_t>(SlotsFor(trace, share));
  const uint64_t accesses = trace.accesses.size();
  const uint64_t best = BeladyHits(trace.accesses, trace.groups(), slots, trace.seed);
  nlohmann::json json = {
      {"cache", share},
      {"slots", slots},
      {"belady", Ratio(best, accesses)},
      {"static_optimal", Ratio(StaticHits(trace.accesses, trace.groups(), slots), accesses)}};
  for (const Model& model : kModels) {
    json[model.name] = Ratio(HitsOf(*model.make(trace.groups(), slots), trace), accesses);
  }
  const PolicyRun run(trace, slots);
  json["hit_ratio"] = Ratio(run.hits(), accesses);
  json["hit_ratio_by_order"] = run.HitRatioByOrder();
  json["ratio_to_belady"] = Ratio(run.hits(), best);
  json["nvme_reads_per_token"] = ReadsPerToken(trace, 0, accesses - run.hits());
  json["policy_ns_per_group"] = run.policy_ns_per_group();
  json["metadata_bytes_per_slot"] = Ratio(
      storage::GroupIndex::BytesFor(slots) + NewRamPolicy(trace.orders)->StateBytes(slots), slots);
  if (scan.has_value()) AddScan(*scan, slots, accesses, &json);
  if (warm > 0) {
    if (absl::Status status = AddWarm(trace, slots, warm, &json); !status.ok()) return status;
  }
  return json;
}

absl::Status CheckSizes(const GroupTrace& trace, const PlacementBenchOptions& options) {
  for (const double share : options.cache) {
    if (!(share > 0 && share <= 1)) {
      return absl::InvalidArgumentError(
          absl::StrCat("placement: a cache of ", share, " is no share of the groups"));
    }
    if (SlotsFor(trace, share) < kMinModelSlots) {
      return absl::InvalidArgumentError(
          absl::StrCat("placement: a cache of ", share, " has ", SlotsFor(trace, share),
                       " slots for the trace's ", trace.distinct, " groups, at least ",
                       kMinModelSlots, " are needed"));
    }
  }
  if (options.cache.empty()) return absl::InvalidArgumentError("placement: no size of a cache");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<nlohmann::json> RunPlacementBench(const PlacementBenchOptions& options) {
  const absl::StatusOr<GroupTrace> trace = ReadGroupTrace(WithDefaults(options.trace));
  if (!trace.ok()) return trace.status();
  if (absl::Status status = CheckSizes(*trace, options); !status.ok()) return status;
  std::optional<GroupTrace> scan;
  if (options.scan_groups > 0) scan = WithScan(*trace, options.scan_groups);
  nlohmann::json json = {{"tokens", trace->tokens},
                         {"accesses", trace->accesses.size()},
                         {"distinct_groups", trace->distinct},
                         {"layer_id", trace->layer_id},
                         {"seeded", !trace->seed.empty()}};
  if (scan.has_value()) json["scan_groups"] = options.scan_groups;
  for (const double share : options.cache) {
    absl::StatusOr<nlohmann::json> size = RunSize(*trace, scan, options.warm, share);
    if (!size.ok()) return size.status();
    if (options.cache.size() == 1) {
      json.update(*size);
    } else {
      json["caches"].push_back(*std::move(size));
    }
  }
  return json;
}

std::string PlacementToText(const nlohmann::json& result) {
  if (!result.contains("caches")) return ToText(result);
  nlohmann::json common = result;
  common.erase("caches");
  std::string text = ToText(common);
  absl::StrAppend(&text, absl::StrFormat("\n%-28s", "cache"));
  const nlohmann::json& caches = result["caches"];
  for (const nlohmann::json& size : caches) {
    absl::StrAppend(&text, absl::StrFormat(" %10g", size["cache"].get<double>()));
  }
  text += "\n";
  for (const auto& [name, value] : caches[0].items()) {
    if (name == "cache" || !value.is_number()) continue;
    absl::StrAppend(&text, absl::StrFormat("%-28s", name));
    for (const nlohmann::json& size : caches) {
      const nlohmann::json& cell = size[name];
      absl::StrAppend(&text, cell.is_number_float()
                                 ? absl::StrFormat(" %10.3f", cell.get<double>())
                                 : absl::StrFormat(" %10d", cell.get<uint64_t>()));
    }
    text += "\n";
  }
  return text;
}

}  // namespace engram::bench
