// Flags that give a table a value: --flag TABLE=VALUE.
#ifndef ENGRAM_SERVER_TABLE_VALUES_H_
#define ENGRAM_SERVER_TABLE_VALUES_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace engram::server {

// Each parses one value of a flag and adds it to `values`, by table.
//   INVALID_ARGUMENT  not TABLE=VALUE, a value that is none, or a table that has one; says which

// A duration as "250us" or "3.5ms"; 0 or more.
absl::Status ParseTableDuration(absl::string_view text,
                                std::map<std::string, absl::Duration>* values);

// A part of a whole as "0.25" or "25%"; above 0 and at most 1.
absl::Status ParseTableFraction(absl::string_view text, std::map<std::string, double>* values);

}  // namespace engram::server

#endif  // ENGRAM_SERVER_TABLE_VALUES_H_
