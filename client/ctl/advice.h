// What a table's traffic would make of RAM tiers of other sizes.
#ifndef ENGRAM_CLIENT_CTL_ADVICE_H_
#define ENGRAM_CLIENT_CTL_ADVICE_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/v1/engram_admin.pb.h"

namespace engram::ctl {

// With fewer sampled uses there is no advice.
inline constexpr uint64_t kLeastAdviceUses = 10'000;

struct SizeAdvice {
  double bytes = 0;
  double hit_ratio = 0;
  // The size is outside of those simulated, and what is known is that it hits at least so often.
  bool at_least = false;
};

struct TargetAdvice {
  double hit_ratio = 0;
  std::optional<double> bytes;  // none: more than the largest size simulated
  bool at_most = false;         // no smaller size was simulated
};

// The ratios that the daemon predicts, read between its sizes.
class Advice {
 public:
  // stats: of any number of versions of one table; the published one counts
  //   FAILED_PRECONDITION  none is published, it is held whole in RAM, or too little traffic was
  //                        seen; says how much is lacking
  static absl::StatusOr<Advice> Create(const v1::GetStatsResponse& stats);

  const v1::TableStats& table() const { return table_; }

  // By size, as simulated.
  std::vector<SizeAdvice> Simulated() const;
  SizeAdvice ForBytes(double bytes) const;
  TargetAdvice ForHitRatio(double hit_ratio) const;

  // Reads from the cold tier for each group that is fetched, if each row of a miss is one.
  double ColdReadsPerGroup(double hit_ratio) const;

 private:
  explicit Advice(v1::TableStats table) : table_(std::move(table)) {}

  v1::TableStats table_;
};

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_ADVICE_H_
