// Files of row ids, those of an n-gram together.
#ifndef ENGRAM_CLIENT_CTL_ROW_ID_FILE_H_
#define ENGRAM_CLIENT_CTL_ROW_ID_FILE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engram/v1/engram.pb.h"

namespace engram::ctl {

// Checks that the ids of a file are whole groups of the table's rows.
//   INVALID_ARGUMENT  names the file and what is wrong in it
absl::Status CheckRowIds(const std::string& file, const std::vector<uint32_t>& ids,
                         const v1::TableSpec& spec);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_ROW_ID_FILE_H_
