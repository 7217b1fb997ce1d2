// The tables of all Engram layers of a model, opened for a replay.
#ifndef ENGRAM_CLIENT_CTL_REPLAY_TABLES_H_
#define ENGRAM_CLIENT_CTL_REPLAY_TABLES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/checkpoint/self_describing.h"
#include "client/engram_client.h"
#include "client/hash/ngram_hasher.h"
#include "engram/v1/engram_admin.pb.h"

namespace engram::ctl {

struct ReplayTable {
  std::unique_ptr<Table> table;
  SelfDescribingKey key;  // only where the rows are to be checked
};

// Finds out which tables serve the hasher's layers: those named "<prefix>/layer<N>".
// Returns INVALID_ARGUMENT, naming the candidates, unless exactly one prefix has a published table
// for every layer.
absl::StatusOr<std::string> FindPrefix(const v1::ListTablesResponse& tables,
                                       const NgramHasher& hasher);

// Opens the published tables of all layers, in the hasher's order.
//   check: the rows will be compared with what self-describing rows hold
// Returns, besides what the client does:
//   FAILED_PRECONDITION  a table has other rows or groups than the hash asks for; or `check`, and
//                        its rows are not self-describing
absl::StatusOr<std::vector<ReplayTable>> OpenReplayTables(Client& client, const std::string& prefix,
                                                          const NgramHasher& hasher, bool check);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_REPLAY_TABLES_H_
