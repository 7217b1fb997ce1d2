// engramd: serves Engram tables until it is told to stop.
#include <malloc.h>
#include <pthread.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <thread>

#include <grpc/support/log.h>

#include "absl/time/clock.h"
#include "server/flags.h"
#include "server/server.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

namespace engram::server {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 2;

void SetUpLog(const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("engramd"));
  spdlog::set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
  spdlog::set_level(spdlog::level::from_str(level));
  gpr_set_log_function([](gpr_log_func_args* args) {
    const auto severity =
        args->severity == GPR_LOG_SEVERITY_ERROR ? spdlog::level::warn : spdlog::level::debug;
    spdlog::log(severity, "gRPC: {}", args->message);
  });
}

// Answers are large, and glibc would give each one's memory back to the kernel and take it anew. It
// keeps what is freed in several arenas, by default eight a core, each as large as the answers that
// threads ever held at a time: with every client's threads come more.
void KeepFreedMemory() {
  constexpr int kMmapThreshold = 256 << 20;
  constexpr int kTrimThreshold = 1 << 30;
  constexpr int kArenas = 4;
  if (mallopt(M_MMAP_THRESHOLD, kMmapThreshold) == 0 ||
      mallopt(M_TRIM_THRESHOLD, kTrimThreshold) == 0 || mallopt(M_ARENA_MAX, kArenas) == 0) {
    spdlog::warn("malloc cannot be set up: large answers will be slower, or memory will grow");
  }
}

// Threads started from now on inherit the mask, so that only AwaitSignal receives these.
sigset_t BlockStopSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is an error of its write
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

int AwaitSignal(const sigset_t& signals) {
  int signal = 0;
  while (sigwait(&signals, &signal) != 0) {
  }
  return signal;
}

int RunDaemon(const DaemonFlags& flags) {
  const absl::Time start = absl::Now();
  const sigset_t signals = BlockStopSignals();
  SetUpLog(flags.log_level);
  umask(0007);  // data are the owner's and the group's
  KeepFreedMemory();
  spdlog::info("engramd {} starts", ENGRAM_VERSION);
  auto server = Server::Start(flags.server);
  if (!server.ok()) {
    spdlog::error("cannot start: {}", std::string(server.status().message()));
    return kExitFailure;
  }
  spdlog::info("ready after {:.0f} ms", absl::ToDoubleMilliseconds(absl::Now() - start));
  const int signal = AwaitSignal(signals);
  spdlog::info("{}: no new calls; those under way have {} to end", strsignal(signal),
               absl::FormatDuration(flags.drain_grace));
  std::thread([signals] {
    AwaitSignal(signals);
    spdlog::warn("second signal: stopped at once");
    std::_Exit(kExitFailure);
  }).detach();
  (*server)->Stop(flags.drain_grace);
  server->reset();
  spdlog::info("stopped");
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace engram::server

int main(int argc, char** argv) {
  const auto flags = engram::server::ParseFlags(argc, argv, std::cout);
  if (!flags.ok()) {
    std::cerr << "engramd: " << flags.status().message()
              << "\nRun 'engramd --help' for the flags.\n";
    return engram::server::kExitUsage;
  }
  return flags->has_value() ? engram::server::RunDaemon(**flags) : EXIT_SUCCESS;
}
