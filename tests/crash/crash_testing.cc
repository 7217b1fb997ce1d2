#include "tests/crash/crash_testing.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>

#include "absl/time/clock.h"

namespace engram::storage {
namespace {

constexpr char kVictimFlag[] = "--victim";  // then its name and directory
constexpr int kAcknowledgeFd = 100;         // the victim's; standard output is the log's

std::map<std::string, Victim>& Victims() {
  static auto* const victims = new std::map<std::string, Victim>();
  return *victims;
}

}  // namespace

RegisterVictim::RegisterVictim(const std::string& name, Victim victim) { Victims()[name] = victim; }

void Acknowledge(const std::string& line) {
  const std::string text = line + "\n";
  if (write(kAcknowledgeFd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    std::abort();
  }
}

std::string RunVictim(const std::string& name, const std::string& dir, absl::Duration life,
                      bool after_first_line) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t pid = fork();
  EXPECT_GE(pid, 0);
  if (pid == 0) {
    dup2(ends[1], kAcknowledgeFd);
    execl("/proc/self/exe", "crash_test", kVictimFlag, name.c_str(), dir.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  const auto read_some = [&] {
    const ssize_t got = read(ends[0], buffer, sizeof(buffer));
    text.append(buffer, static_cast<size_t>(std::max<ssize_t>(got, 0)));
    return got > 0;
  };
  if (after_first_line) read_some();
  absl::SleepFor(life);
  kill(pid, SIGKILL);
  int status = 0;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the victim ended by itself: " << WEXITSTATUS(status);
  while (read_some()) {
  }
  close(ends[0]);
  return text;
}

}  // namespace engram::storage

int main(int argc, char** argv) {
  using engram::storage::Victims;
  if (argc == 4 && std::string(argv[1]) == engram::storage::kVictimFlag) {
    const auto victim = Victims().find(argv[2]);
    return victim == Victims().end() ? 126 : victim->second(argv[3]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
