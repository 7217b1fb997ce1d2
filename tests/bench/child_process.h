// A program that runs beside the benchmark: the servers that it talks to.
#ifndef ENGRAM_TESTS_BENCH_CHILD_PROCESS_H_
#define ENGRAM_TESTS_BENCH_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace engram::bench {

// Where PATH has `program`; empty if nowhere.
std::string FindProgram(const std::string& program);

// The program that runs, even if its file was replaced.
inline constexpr char kThisProgram[] = "/proc/self/exe";

class ChildProcess {
 public:
  // Starts command[0], a path, with the other arguments. Its stdout goes to stderr. It is killed
  // when the calling thread ends.
  //   UNAVAILABLE  it cannot be started
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Start(std::vector<std::string> command);

  // Sends SIGTERM and waits for the end.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // What it has used so far, user and system; 0 once it has ended.
  double CpuSeconds() const;

  // The memory of its own that it has now, files and shared memory excluded; 0 once it has ended.
  uint64_t ResidentBytes() const;

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  const pid_t pid_;
};

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_CHILD_PROCESS_H_
