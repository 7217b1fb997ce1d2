// The daemon's answers as JSON. Numbers carry their unit in the key; digests are hexadecimal.
#ifndef ENGRAM_CLIENT_CTL_JSON_OUTPUT_H_
#define ENGRAM_CLIENT_CTL_JSON_OUTPUT_H_

#include <nlohmann/json.hpp>
#include <ostream>

#include "engram/v1/engram.pb.h"
#include "engram/v1/engram_admin.pb.h"

namespace engram::ctl {

using Json = nlohmann::ordered_json;

Json ToJson(const v1::TableIdentity& identity);
Json ToJson(const v1::TableInfo& info);
Json ToJson(const v1::GetStatsResponse& stats);

void PrintJson(const Json& document, std::ostream& out);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_JSON_OUTPUT_H_
