// What a table's traffic is like, for people and as JSON.
#ifndef ENGRAM_CLIENT_CTL_USAGE_OUTPUT_H_
#define ENGRAM_CLIENT_CTL_USAGE_OUTPUT_H_

#include <nlohmann/json.hpp>
#include <ostream>

#include "engram/v1/engram_admin.pb.h"

namespace engram::ctl {

// Prints nothing before any use was observed.
void PrintUsage(const v1::TableUsage& usage, std::ostream& out);

nlohmann::ordered_json UsageJson(const v1::TableUsage& usage);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_USAGE_OUTPUT_H_
