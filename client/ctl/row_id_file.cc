#include "client/ctl/row_id_file.h"

#include "absl/strings/str_cat.h"

namespace engram::ctl {

absl::Status CheckRowIds(const std::string& file, const std::vector<uint32_t>& ids,
                         const v1::TableSpec& spec) {
  if (ids.size() % spec.group_size() != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, " has ", ids.size(), " row ids, no multiple of the table's group size, ",
                     "which is ", spec.group_size()));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < spec.rows()) continue;
    return absl::InvalidArgumentError(absl::StrCat(file, " has row id ", ids[i], " at index ", i,
                                                   ", and the table ", spec.rows(), " rows"));
  }
  return absl::OkStatus();
}

}  // namespace engram::ctl
