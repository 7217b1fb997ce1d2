// How much RAM keeps the time that an inference stream waits for rows below a limit.
#ifndef ENGRAM_CLIENT_CTL_STALL_ADVICE_H_
#define ENGRAM_CLIENT_CTL_STALL_ADVICE_H_

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "client/ctl/advice.h"

namespace engram::ctl {

// Of one table, with the RAM advised.
struct StallShare {
  double bytes = 0;
  double hit_ratio = 0;
  double stall_us = 0;         // of a fetch, mean of all
  double reads_per_fetch = 0;  // from NVMe, of the warm tier and the cold one
  double fetches_per_second = 0;
};

struct StallTarget {
  double target = 0;
  double stall = 0;                  // as predicted; above the target if that cannot be reached
  bool reached = false;              // by a size that was simulated
  std::vector<StallShare> tables{};  // in the order given

  double bytes() const;
  double reads_per_second() const;
};

// What is predicted of several tables together. A stream's stall is the time that it waits for rows
// beyond their tables' windows, as a part of the time that it would take without: the sum over the
// tables of a fetch's mean stall times the fetches of one second. Of each table, every token makes
// one fetch like those that were measured.
class StallAdvice {
 public:
  // tokens_per_second: without any stall; none: the fetches measured are taken for one stream's
  //   FAILED_PRECONDITION  no fetch of a table needed NVMe lately: what that costs is not known
  static absl::StatusOr<StallAdvice> Create(std::vector<Advice> tables,
                                            std::optional<double> tokens_per_second);

  const std::vector<Advice>& tables() const { return tables_; }

  // The division that needs least RAM: the next bytes go where they save most.
  StallTarget ForTarget(double target) const;

 private:
  StallAdvice(std::vector<Advice> tables, std::optional<double> tokens_per_second);

  StallShare ShareOf(size_t table, double bytes) const;
  double StallOf(size_t table, double bytes) const;
  double StallOfAll(absl::Span<const double> bytes) const;
  std::vector<double> SizesOf(size_t table) const;
  // Adds the bytes that save most stall each. Returns the table they went to; none: nothing helps.
  std::optional<size_t> Grow(absl::Span<const std::vector<double>> sizes,
                             std::vector<double>* bytes) const;

  std::vector<Advice> tables_;
  std::optional<double> tokens_per_second_;
};

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_STALL_ADVICE_H_
