// How much RAM a limit of stall takes, for people and as JSON.
#ifndef ENGRAM_CLIENT_CTL_STALL_OUTPUT_H_
#define ENGRAM_CLIENT_CTL_STALL_OUTPUT_H_

#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "client/ctl/advice.h"
#include "client/ctl/stall_advice.h"

namespace engram::ctl {

// tables: in the order of target.tables
void PrintStallTarget(const StallTarget& target, const std::vector<Advice>& tables,
                      std::ostream& out);
nlohmann::ordered_json StallTargetJson(const StallTarget& target,
                                       const std::vector<Advice>& tables);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_STALL_OUTPUT_H_
