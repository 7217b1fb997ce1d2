// The expected numbers were printed by numpy 1.24.2.
#include "client/hash/numpy_rng.h"

#include <cstdint>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engram {
namespace {

using ::testing::ElementsAreArray;

struct Draws {
  uint64_t seed;
  std::vector<uint64_t> raw;    // default_rng(seed).bit_generator.random_raw(4)
  std::vector<uint64_t> below;  // default_rng(seed).integers(0, kBound, size=4, dtype=int64)
};

constexpr uint64_t kBound = 46539438283891;

// One and two words of entropy, at the edges of each.
const Draws kDraws[] = {
    {0,
     {11749869230777074271u, 4976686463289251617u, 755828109848996024u, 304881062738325533u},
     {29643839136299u, 12555722115027u, 1906884788502u, 769186873658u}},
    {42,
     {14276969152011380360u, 8095878257575067585u, 15838336090824644132u, 12864169557245331597u},
     {36019479756214u, 20425156060971u, 39958664904392u, 32455116349566u}},
    {10007,
     {15187255322829266483u, 959186003677246517u, 7126631698937927467u, 14663106486854050627u},
     {38316048023122u, 2419938046656u, 17979836159674u, 36993668729195u}},
    {4294967295u,
     {4647538520743280031u, 4041050679407036418u, 5299467714154781845u, 11418189674231792917u},
     {11725312136053u, 10195199106403u, 13370069516597u, 28807042128102u}},
    {4294967296u,
     {16412783775159424549u, 10277383025879800780u, 14774146505460541886u, 17644565593934502278u},
     {41407943565472u, 25928891903180u, 37273812480978u, 44515615776082u}},
    {18446744073709551615u,
     {12544278110101001871u, 15593249672699323225u, 136562751618339402u, 16501869284920798641u},
     {31648059656937u, 39340334418265u, 344535259199u, 41632698111150u}},
};

TEST(NumpyRngTest, RawBitsAreNumpys) {
  for (const Draws& draws : kDraws) {
    NumpyRng rng(draws.seed);
    std::vector<uint64_t> raw;
    for (size_t i = 0; i < draws.raw.size(); ++i) {
      raw.push_back(rng.Next());
    }
    EXPECT_THAT(raw, ElementsAreArray(draws.raw)) << "seed " << draws.seed;
  }
}

TEST(NumpyRngTest, BoundedDrawsAreNumpys) {
  for (const Draws& draws : kDraws) {
    NumpyRng rng(draws.seed);
    std::vector<uint64_t> below;
    for (size_t i = 0; i < draws.below.size(); ++i) {
      below.push_back(rng.Below(kBound));
    }
    EXPECT_THAT(below, ElementsAreArray(draws.below)) << "seed " << draws.seed;
  }
}

// integers(0, 3 * 2**61): a quarter of all draws is refused and drawn again.
TEST(NumpyRngTest, RefusedDrawsAreNumpys) {
  const uint64_t expected[] = {4406200961541402851u, 1866257423733469356u, 114330398526872074u,
                               6314013200959933085u, 4196420588075033327u, 5046313636171151833u};
  NumpyRng rng(0);
  for (uint64_t draw : expected) {
    EXPECT_EQ(rng.Below(uint64_t{3} << 61), draw);
  }
}

TEST(NumpyRngTest, EqualSeedsDrawEqually) {
  NumpyRng a(7);
  NumpyRng b(7);
  NumpyRng c(8);
  const uint64_t first = a.Next();
  EXPECT_EQ(first, b.Next());
  EXPECT_NE(first, c.Next());
}

}  // namespace
}  // namespace engram
