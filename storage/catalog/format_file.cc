#include "storage/catalog/format_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace engram::storage {
namespace {

namespace fs = std::filesystem;

constexpr char kFormatName[] = "engramd-data";

absl::Status SyncedWrite(const std::string& path, const std::string& content) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", path));
  }
  const absl::Cleanup close = [fd] { ::close(fd); };
  const ssize_t written = ::write(fd, content.data(), content.size());
  if (written >= 0 && written < static_cast<ssize_t>(content.size())) {
    errno = ENOSPC;  // the one reason for a short write of a small file
  }
  if (written != static_cast<ssize_t>(content.size()) || ::fsync(fd) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  }
  return absl::OkStatus();
}

// The file appears whole or not at all, whatever happens on the way.
absl::Status CreateFormat(const std::string& data_dir, const std::string& file) {
  const nlohmann::json content = {{"format", kFormatName}, {"version", kFormatVersion}};
  const std::string temporary = file + ".tmp";
  if (absl::Status status = SyncedWrite(temporary, content.dump() + "\n"); !status.ok()) {
    return status;
  }
  if (::rename(temporary.c_str(), file.c_str()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", file));
  }
  absl::Status status = SyncDirectory(data_dir);
  status.Update(SyncDirectory(data_dir + "/.."));
  return status;
}

absl::Status CheckFormat(const std::string& file) {
  std::ifstream in(file);
  if (!in) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", file));
  }
  std::stringstream content;
  content << in.rdbuf();
  const auto json = nlohmann::json::parse(content.str(), nullptr, false);
  if (!json.is_object() || json.value("format", nlohmann::json()) != kFormatName ||
      !json.contains("version") || !json["version"].is_number_integer()) {
    return absl::DataLossError(absl::StrCat(file, " is not a format file of engramd"));
  }
  const auto version = json["version"].get<int64_t>();
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the data directory has format version ", version, ", and this program knows ",
                     kFormatVersion, " at most: use the newer engramd that wrote it (", file, ")"));
  }
  if (version < 1) {
    return absl::DataLossError(absl::StrCat(file, " names format version ", version));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckOrCreateFormat(const std::string& data_dir) {
  std::error_code error;
  fs::create_directory(data_dir, error);
  if (error == std::errc::file_exists || error == std::errc::not_a_directory) {
    return absl::FailedPreconditionError(
        absl::StrCat("data directory ", data_dir, " is not a directory"));
  }
  if (error) {
    return absl::ErrnoToStatus(error.value(),
                               absl::StrCat("cannot create data directory ", data_dir));
  }
  const std::string file = absl::StrCat(data_dir, "/FORMAT");
  if (fs::exists(file, error)) {
    return CheckFormat(file);
  }
  for (const auto& entry : fs::directory_iterator(data_dir, error)) {
    if (entry.path().filename() != "FORMAT.tmp" && entry.path().filename() != "lost+found") {
      return absl::FailedPreconditionError(
          absl::StrCat("data directory ", data_dir, " holds ", entry.path().filename().string(),
                       " but no FORMAT file: not a data directory of engramd"));
    }
  }
  if (error) {
    return absl::ErrnoToStatus(error.value(),
                               absl::StrCat("cannot read data directory ", data_dir));
  }
  return CreateFormat(data_dir, file);
}

absl::Status SyncDirectory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  }
  const absl::Cleanup close = [fd] { ::close(fd); };
  if (::fsync(fd) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot sync ", path));
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
