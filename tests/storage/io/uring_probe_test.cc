// What the engine does where the kernel refuses io_uring.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "storage/io/uring_engine.h"
#include "tests/storage/io/io_testing.h"

namespace engram::storage {
namespace {

using Kind = ReadEngineOptions::Kind;
using testing::HasSubstr;

RingSetup Refuse(int error) {
  return [error](unsigned, io_uring*, unsigned) { return -error; };
}

struct Refusal {
  int error;
  const char* advice;
};

class RefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, FallsBackAndSaysWhy) {
  const auto engine = NewReadEngineWithSetup({}, Refuse(GetParam().error));
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ((*engine)->name(), "pread");
  EXPECT_THAT((*engine)->fallback_reason(), HasSubstr(GetParam().advice));
}

TEST_P(RefusalTest, FailsIfNothingElseWasAskedFor) {
  const auto engine = NewReadEngineWithSetup({.kind = Kind::kIoUring}, Refuse(GetParam().error));
  EXPECT_EQ(engine.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(engine.status().message(), HasSubstr(GetParam().advice));
}

INSTANTIATE_TEST_SUITE_P(Errors, RefusalTest,
                         testing::Values(Refusal{EPERM, "kernel.io_uring_disabled"},
                                         Refusal{ENOSYS, "no io_uring"},
                                         Refusal{ENOMEM, "RLIMIT_MEMLOCK"},
                                         Refusal{EINVAL, "lacks operations"},
                                         Refusal{EMFILE, "Too many open files"}),
                         [](const auto& param) { return std::to_string(param.param.error); });

// A kernel that knows only the flags in `known`.
RingSetup KnowOnly(unsigned known) {
  return [known](unsigned entries, io_uring* ring, unsigned flags) {
    return (flags & ~known) != 0 ? -EINVAL : io_uring_queue_init(entries, ring, flags);
  };
}

class RingFlagsTest : public testing::Test {
 protected:
  void SetUp() override {
    unsigned flags = 0;
    const int error = ProbeRing(KnowOnly(0), &flags);
    if (error != 0) {
      GTEST_SKIP() << RefusalSentence(error);
    }
  }
};

TEST_F(RingFlagsTest, OldKernelsGetFewer) {
  unsigned flags = 1;
  EXPECT_EQ(ProbeRing(KnowOnly(0), &flags), 0);
  EXPECT_EQ(flags, 0U);
  EXPECT_EQ(ProbeRing(KnowOnly(IORING_SETUP_COOP_TASKRUN), &flags), 0);
  EXPECT_EQ(flags, IORING_SETUP_COOP_TASKRUN);
}

TEST_F(RingFlagsTest, EveryFlagSetReads) {
  constexpr size_t kBytes = 10 * kDirectAlignment;
  const auto file = OpenTestFile(WriteTestFile("flags", kBytes), /*direct=*/true);
  for (const unsigned known : {0U, static_cast<unsigned>(IORING_SETUP_COOP_TASKRUN), ~0U}) {
    const auto engine = NewReadEngineWithSetup({.kind = Kind::kIoUring}, KnowOnly(known));
    ASSERT_TRUE(engine.ok()) << engine.status();
    const auto queue = (*engine)->NewQueue();
    const AlignedBytes buffer = NewAlignedBytes(kBytes);
    ReadRequest request = {.fd = file->fd(), .length = kBytes, .buffer = buffer.get()};
    queue->Submit(&request);
    queue->Await(absl::MakeSpan(&request, 1));
    EXPECT_EQ(request.bytes_read, kBytes);
    EXPECT_EQ(CountWrongBytes(buffer.get(), 0, kBytes), 0U);
  }
}

TEST_F(RingFlagsTest, QueueWithoutARingReadsByThePool) {
  constexpr size_t kBytes = 10 * kDirectAlignment;
  const auto file = OpenTestFile(WriteTestFile("no_ring", kBytes), /*direct=*/true);
  const auto engine = NewUringEngine({}, 0, Refuse(ENOMEM));
  for (int i = 0; i < 3; ++i) {
    const auto queue = engine->NewQueue();
    const AlignedBytes buffer = NewAlignedBytes(kBytes);
    ReadRequest request = {.fd = file->fd(), .length = kBytes, .buffer = buffer.get()};
    queue->Submit(&request);
    queue->Await(absl::MakeSpan(&request, 1));
    EXPECT_EQ(CountWrongBytes(buffer.get(), 0, kBytes), 0U);
  }
}

// From now on `system_call` fails with EPERM in this process, as in a container.
bool Forbid(unsigned system_call) {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, system_call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program = {.len = 4, .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Exits with 0 if an engine made under the filter reads by pread and tells why.
[[noreturn]] void ReadWhereForbidden(unsigned system_call, const std::string& path) {
  constexpr size_t kBytes = 4 * kDirectAlignment;
  if (!Forbid(system_call)) {
    std::exit(2);
  }
  const auto engine = NewReadEngine({});
  const auto file = OpenTestFile(path, /*direct=*/true);
  const AlignedBytes buffer = NewAlignedBytes(kBytes);
  ReadRequest request = {.fd = file->fd(), .length = kBytes, .buffer = buffer.get()};
  const auto queue = (*engine)->NewQueue();
  queue->Submit(&request);
  queue->Await(absl::MakeSpan(&request, 1));
  const bool right = (*engine)->name() == "pread" &&
                     (*engine)->fallback_reason() == RefusalSentence(EPERM) &&
                     request.bytes_read == kBytes && CountWrongBytes(buffer.get(), 0, kBytes) == 0;
  std::fprintf(stderr, "reason: %s\n", (*engine)->fallback_reason().c_str());
  std::_Exit(right ? 0 : 1);
}

TEST(SeccompDeathTest, FilteredSetupFallsBack) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string path = WriteTestFile("seccomp_setup", 4 * kDirectAlignment);
  EXPECT_EXIT(ReadWhereForbidden(SYS_io_uring_setup, path), testing::ExitedWithCode(0),
              "seccomp profile");
}

TEST(SeccompDeathTest, FilteredEnterFallsBack) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const std::string path = WriteTestFile("seccomp_enter", 4 * kDirectAlignment);
  EXPECT_EXIT(ReadWhereForbidden(SYS_io_uring_enter, path), testing::ExitedWithCode(0),
              "seccomp profile");
}

}  // namespace
}  // namespace engram::storage
