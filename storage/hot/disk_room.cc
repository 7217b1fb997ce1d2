#include "storage/hot/disk_room.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace engram::storage {
namespace {

constexpr uint64_t kReservedDiskBytes = uint64_t{64} << 20;

}  // namespace

absl::Status CheckDiskRoom(const std::string& folder, uint64_t bytes) {
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (error || space.available >= bytes + kReservedDiskBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("it takes ", bytes, " bytes, and ", space.available, " are left on disk"));
}

}  // namespace engram::storage
