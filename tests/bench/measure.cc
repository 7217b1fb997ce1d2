#include "tests/bench/measure.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace engram::bench {

double Quantile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  const auto at =
      values.begin() + static_cast<ptrdiff_t>(static_cast<double>(values.size()) * part);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

double Median(std::vector<double> values) { return Quantile(std::move(values), 0.5); }

double MedianRatio(const std::vector<double>& over, const std::vector<double>& under) {
  std::vector<double> ratios;
  for (size_t i = 0; i < over.size(); ++i) {
    ratios.push_back(over[i] / under[i]);
  }
  return Median(std::move(ratios));
}

absl::StatusOr<uint64_t> DeviceBytesRead() {
  std::ifstream file("/proc/self/io");
  std::string field;
  uint64_t value = 0;
  while (file >> field >> value) {
    if (field == "read_bytes:") {
      return value;
    }
  }
  return absl::UnavailableError("/proc/self/io does not tell what was read from the device");
}

absl::StatusOr<absl::Duration> DiskBusyTime(const std::string& path) {
  struct stat file = {};
  if (stat(path.c_str(), &file) != 0) {
    return absl::UnavailableError(absl::StrCat("no ", path));
  }
  const std::string counters =
      absl::StrCat("/sys/dev/block/", major(file.st_dev), ":", minor(file.st_dev), "/stat");
  constexpr int kIoTicks = 9;  // of Documentation/block/stat.rst
  std::ifstream stream(counters);
  int64_t value = 0;
  for (int i = 0; i <= kIoTicks; ++i) {
    stream >> value;
  }
  return stream ? absl::StatusOr<absl::Duration>(absl::Milliseconds(value))
                : absl::UnavailableError(absl::StrCat("cannot read ", counters));
}

absl::Duration CpuTime() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
}

absl::StatusOr<std::unique_ptr<ScratchDir>> ScratchDir::Make(const std::string& parent) {
  std::error_code error;
  const std::filesystem::path base =
      parent.empty() ? std::filesystem::temp_directory_path(error) : std::filesystem::path(parent);
  std::string path = base / "engram_bench.XXXXXX";
  if (mkdtemp(path.data()) == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot make ", path, ": ", std::strerror(errno)));
  }
  return std::unique_ptr<ScratchDir>(new ScratchDir(path));
}

ScratchDir::~ScratchDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace engram::bench
