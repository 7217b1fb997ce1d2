#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "storage/tiered_store.h"

namespace engram::storage {
namespace {

// Of an option that is for one table.
absl::Status ValidateNameIn(absl::string_view option, absl::string_view name) {
  const absl::Status status = ValidateTableName(name);
  return status.ok() ? status
                     : absl::InvalidArgumentError(absl::StrCat(option, ": ", status.message()));
}

}  // namespace

absl::Status ValidateOptions(const StoreOptions& options) {
  constexpr int kMaxIoThreads = 256;
  if (options.io_threads < 1 || options.io_threads > kMaxIoThreads) {
    return absl::InvalidArgumentError(
        absl::StrCat("io_threads is ", options.io_threads, ", and must be 1 to ", kMaxIoThreads));
  }
  for (const auto& [name, window] : options.windows) {
    if (absl::Status status = ValidateNameIn("a window", name); !status.ok()) return status;
    if (window < absl::ZeroDuration() || window == absl::InfiniteDuration()) {
      return absl::InvalidArgumentError(absl::StrCat("the window of table \"", name, "\" is ",
                                                     absl::FormatDuration(window),
                                                     ", and must be 0 or more, and finite"));
    }
  }
  double total = 0;
  for (const auto& [name, share] : options.ram_shares) {
    if (absl::Status status = ValidateNameIn("a RAM share", name); !status.ok()) return status;
    if (!(share > 0 && share <= 1)) {  // catches what is not a number
      return absl::InvalidArgumentError(absl::StrFormat(
          "the RAM share of table \"%s\" is %g, and must be above 0 and at most 1", name, share));
    }
    total += share;
  }
  constexpr double kRounding = 1e-9;
  if (total > 1 + kRounding) {
    return absl::InvalidArgumentError(
        absl::StrFormat("the RAM shares of %d tables add up to %g, which is more than 1",
                        options.ram_shares.size(), total));
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
