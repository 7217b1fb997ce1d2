// The daemon's counters as text.
#ifndef ENGRAM_CLIENT_CTL_STATS_OUTPUT_H_
#define ENGRAM_CLIENT_CTL_STATS_OUTPUT_H_

#include <ostream>

#include "engram/v1/engram_admin.pb.h"

namespace engram::ctl {

void PrintStats(const v1::GetStatsResponse& stats, std::ostream& out);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_STATS_OUTPUT_H_
