// The log's lines about rows that cannot be read.
#ifndef ENGRAM_STORAGE_FETCH_DATA_LOSS_LOG_H_
#define ENGRAM_STORAGE_FETCH_DATA_LOSS_LOG_H_

#include <string>

#include "absl/status/status.h"

namespace engram::storage {

// Whoever the rows were read for: a hint, or a part of a partial answer, tells nobody else. Disk
// errors come in crowds: one line a second, and how many were left out before it. Thread-safe.
void LogDataLoss(const std::string& table, const absl::Status& status);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_FETCH_DATA_LOSS_LOG_H_
