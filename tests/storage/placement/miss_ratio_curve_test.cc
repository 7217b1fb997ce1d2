// Goal: the curve is that of exact LRU caches, within bounded memory, and follows the workload.
#include "storage/placement/miss_ratio_curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <list>
#include <unordered_map>
#include <vector>

#include "tests/storage/placement/placement_testing.h"

namespace engram::storage {
namespace {

using testing::DoubleNear;
using testing::Each;
using testing::ElementsAre;

constexpr uint64_t kForEver = uint64_t{1} << 60;  // a half-life without ageing

class LruCache {
 public:
  explicit LruCache(uint64_t groups) : groups_(groups) {}

  void Use(uint64_t hash) {
    ++uses_;
    const auto [entry, is_new] = places_.try_emplace(hash);
    if (!is_new) {
      ++hits_;
      order_.splice(order_.begin(), order_, entry->second);
      return;
    }
    order_.push_front(hash);
    entry->second = order_.begin();
    if (order_.size() <= groups_) return;
    places_.erase(order_.back());
    order_.pop_back();
  }
  double hit_ratio() const { return hits_ / uses_; }

 private:
  const uint64_t groups_;
  std::list<uint64_t> order_;
  std::unordered_map<uint64_t, std::list<uint64_t>::iterator> places_;
  double hits_ = 0;
  double uses_ = 0;
};

// Feeds the curve and caches of these sizes with the same stream, and compares.
void ExpectLikeExact(MissRatioCurve& curve, const std::vector<uint64_t>& sizes, int uses,
                     const std::function<uint64_t(int)>& hash_at) {
  std::vector<LruCache> caches(sizes.begin(), sizes.end());
  for (int i = 0; i < uses; ++i) {
    const uint64_t hash = hash_at(i);
    curve.Add(hash);
    for (LruCache& cache : caches) cache.Use(hash);
  }
  const std::vector<double> ratios = curve.HitRatios(sizes);
  for (size_t i = 0; i < sizes.size(); ++i) {
    EXPECT_THAT(ratios[i], DoubleNear(caches[i].hit_ratio(), 0.02)) << sizes[i] << " groups";
  }
}

TEST(MissRatioCurveTest, ZipfStreamsAreLikeExactLru) {
  for (const double exponent : {0.6, 0.9, 1.2}) {
    const Zipf zipf(exponent, 200'000);
    Random random(1);
    MissRatioCurve curve({.half_life = kForEver});
    ExpectLikeExact(curve, {2000, 20'000, 100'000}, 500'000,
                    [&](int) { return HashOf(zipf.Next(random)); });
    EXPECT_LT(curve.sampler().rate(), 0.25);
  }
}

TEST(MissRatioCurveTest, CyclesAreLikeExactLru) {
  // Smaller than the cycle: no hit. The place of the step is known to 1 / sqrt(tracked groups).
  MissRatioCurve curve({.half_life = kForEver});
  ExpectLikeExact(curve, {1000, 47'000, 53'000}, 500'000,
                  [](int i) { return HashOf(static_cast<uint64_t>(i) % 50'000); });
  EXPECT_LT(curve.sampler().rate(), 0.2);
}

TEST(MissRatioCurveTest, ExactWhileAllGroupsAreTracked) {
  MissRatioCurve curve({.half_life = kForEver});
  for (int i = 0; i < 100; ++i) {
    for (uint64_t group = 0; group < 1000; ++group) curve.Add(HashOf(group));
  }
  EXPECT_EQ(curve.sampler().rate(), 1);
  const std::vector<uint64_t> sizes = {1, 999, 1000, uint64_t{1} << 40, 0};
  EXPECT_THAT(curve.HitRatios(sizes), ElementsAre(0, 0, 0.99, 0.99, 0));
}

TEST(MissRatioCurveTest, TheRateStopsAtTheLargestCache) {
  // One use in two is of a group that is never used again.
  constexpr uint64_t kLoop = 20'000;
  MissRatioCurve curve({.largest_cache = 60'000, .half_life = kForEver});
  Random random(2);
  const auto hash_at = [&](int i) {
    return i % 2 == 0 ? random.Next() : HashOf(static_cast<uint64_t>(i / 2) % kLoop);
  };
  ExpectLikeExact(curve, {10'000, 37'000, 43'000, 60'000}, 500'000, hash_at);
  EXPECT_THAT(curve.sampler().rate(), DoubleNear(8192.0 / 60'000, 1e-9));
}

TEST(MissRatioCurveTest, FollowsTheWorkload) {
  constexpr uint64_t kHalfLife = 100'000;
  MissRatioCurve curve({.tracked_groups = 2048, .largest_cache = 50'000, .half_life = kHalfLife});
  Random random(3);
  for (int i = 0; i < 1'000'000; ++i) curve.Add(random.Next());
  const std::vector<uint64_t> sizes = {5000, 15'000};
  EXPECT_THAT(curve.HitRatios(sizes), Each(0));
  const auto loop = [&curve](uint64_t uses) {
    for (uint64_t i = 0; i < uses; ++i) curve.Add(HashOf(i % 10'000));
  };
  loop(kHalfLife);  // half of the weight, less the first round
  EXPECT_THAT(curve.HitRatios(sizes), ElementsAre(DoubleNear(0, 0.05), DoubleNear(0.46, 0.03)));
  loop(7 * kHalfLife);
  EXPECT_THAT(curve.HitRatios(sizes), ElementsAre(DoubleNear(0, 0.05), DoubleNear(1, 0.03)));
  // Steadily, the uses of ever have the weight of half-life / ln 2.
  EXPECT_THAT(curve.uses(), DoubleNear(kHalfLife / 0.693, 0.05 * kHalfLife));
}

TEST(MissRatioCurveTest, UsesMayBeLeftOutBeforehand) {
  const Zipf zipf(0.9, 100'000);
  const MissRatioCurveOptions options{.tracked_groups = 1000, .half_life = 30'000};
  MissRatioCurve all(options), sampled(options);
  Random random(4);
  uint64_t left_out = 0;
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t hash = HashOf(zipf.Next(random));
    all.Add(hash);
    if (!sampled.sampler().Samples(hash)) {
      ++left_out;
      continue;
    }
    sampled.AddUnsampled(left_out);
    left_out = 0;
    sampled.Add(hash);
  }
  sampled.AddUnsampled(left_out);
  const std::vector<uint64_t> sizes = {100, 1000, 10'000, 100'000};
  EXPECT_EQ(all.HitRatios(sizes), sampled.HitRatios(sizes));
  EXPECT_DOUBLE_EQ(all.uses(), sampled.uses());
}

TEST(MissRatioCurveTest, NothingYet) {
  MissRatioCurve curve({});
  const std::vector<uint64_t> sizes = {1, 1000};
  EXPECT_THAT(curve.HitRatios(sizes), ElementsAre(0, 0));
  EXPECT_EQ(MissRatioCurve::BytesFor({.tracked_groups = 1000}), 48'000u);
}

}  // namespace
}  // namespace engram::storage
