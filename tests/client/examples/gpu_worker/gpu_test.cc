#include "client/examples/gpu_worker/gpu.h"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/examples/gpu_worker/dynamic_library.h"

namespace engram::gpu_worker {
namespace {

using ::testing::HasSubstr;

TEST(GpuTest, SaysThatThereIsNoDriver) {
  if (dlopen("libcuda.so.1", RTLD_NOW) != nullptr) GTEST_SKIP() << "there is one";
  const auto gpu = Gpu::Open();
  EXPECT_TRUE(absl::IsNotFound(gpu.status())) << gpu.status();
  EXPECT_THAT(gpu.status().message(), HasSubstr("the CUDA driver cannot be loaded: libcuda.so.1"));
}

TEST(DynamicLibraryTest, NamesEachLibraryItLookedFor) {
  const auto library = DynamicLibrary::Open("cuBLAS", {"/none/libcublas.so", "libnone.so.13"});
  EXPECT_TRUE(absl::IsNotFound(library.status())) << library.status();
  EXPECT_THAT(library.status().message(), HasSubstr("/none/libcublas.so"));
  EXPECT_THAT(library.status().message(), HasSubstr("libnone.so.13"));
}

TEST(DynamicLibraryTest, NamesTheFirstFunctionThatIsMissing) {
  auto library = DynamicLibrary::Open("the C library", {"/none", "libc.so.6"});
  ASSERT_TRUE(library.ok()) << library.status();
  EXPECT_EQ(library->name(), "libc.so.6");
  int (*function)(const char*) = nullptr;
  library->Resolve("atoi", &function);
  EXPECT_TRUE(library->status().ok()) << library->status();
  ASSERT_NE(function, nullptr);
  EXPECT_EQ(function("7"), 7);
  library->Resolve("cuNothing", &function);
  library->Resolve("cuNothingElse", &function);
  EXPECT_EQ(library->status().message(), "libc.so.6 has no function cuNothing");
}

}  // namespace
}  // namespace engram::gpu_worker
