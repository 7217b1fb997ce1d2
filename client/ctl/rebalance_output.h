// A division of RAM between tables, for people and as JSON.
#ifndef ENGRAM_CLIENT_CTL_REBALANCE_OUTPUT_H_
#define ENGRAM_CLIENT_CTL_REBALANCE_OUTPUT_H_

#include <nlohmann/json.hpp>
#include <ostream>

#include "engram/v1/engram_admin.pb.h"

namespace engram::ctl {

void PrintPlan(const v1::RebalancePlan& plan, std::ostream& out);

// last: the final message
nlohmann::ordered_json RebalanceJson(const v1::RebalancePlan& plan,
                                     const v1::RebalanceProgress& last, bool dry_run);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_REBALANCE_OUTPUT_H_
