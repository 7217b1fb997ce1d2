// The store's values as messages.
#ifndef ENGRAM_SERVER_PROTO_CONVERSION_H_
#define ENGRAM_SERVER_PROTO_CONVERSION_H_

#include "engram/v1/engram.pb.h"
#include "engram/v1/engram_admin.pb.h"
#include "storage/import/import_options.h"
#include "storage/rebalance_plan.h"
#include "storage/store_stats.h"
#include "storage/table_spec.h"

namespace engram::server {

void ToProto(const storage::TableIdentity& identity, v1::TableIdentity* message);
void ToProto(const storage::TableSpec& spec, v1::TableSpec* message);
void ToProto(const storage::TableInfo& info, v1::TableInfo* message);
void ToProto(const storage::TableStats& stats, v1::TableStats* message);
void ToProto(const storage::ImportProgress& progress, v1::ImportProgress* message);
void ToProto(const storage::RebalancePlan& plan, v1::RebalancePlan* message);

storage::ImportOptions FromProto(const v1::ImportRequest& request);

}  // namespace engram::server

#endif  // ENGRAM_SERVER_PROTO_CONVERSION_H_
