#include "storage/cold/rocksdb_status.h"

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace engram::storage {

absl::Status FromRocksDb(const rocksdb::Status& status, absl::string_view context) {
  if (status.ok()) {
    return absl::OkStatus();
  }
  const std::string text = status.ToString();
  const std::string message = absl::StrCat(context, ": ", text);
  if (status.IsNoSpace() || absl::StrContains(text, std::strerror(EDQUOT)) ||
      absl::StrContains(text, std::strerror(EMFILE)) ||
      absl::StrContains(text, std::strerror(ENFILE))) {
    return absl::ResourceExhaustedError(message);
  }
  // RocksDB tells these two causes only in words.
  if (status.IsIOError() && (absl::StrContains(text, "While lock file") ||
                             absl::StrContains(text, "lock hold by current process"))) {
    if (absl::StrContains(text, std::strerror(EAGAIN)) || absl::StrContains(text, "lock hold by")) {
      return absl::FailedPreconditionError(
          absl::StrCat(context, ": another process has the database open"));
    }
  }
  if (status.IsIOError() && (absl::StrContains(text, std::strerror(EACCES)) ||
                             absl::StrContains(text, std::strerror(EPERM)) ||
                             absl::StrContains(text, std::strerror(EROFS)))) {
    return absl::PermissionDeniedError(message);
  }
  return absl::DataLossError(message);
}

}  // namespace engram::storage
