#include "client/examples/gpu_worker/device_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "client/checkpoint/self_describing.h"
#include "tests/client/client_testing.h"
#include "tests/client/examples/gpu_worker/fake_driver_testing.h"

namespace engram::gpu_worker {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr size_t kGroups = 6;

class DeviceRowsTest : public testing::TestWithParam<Transport> {
 protected:
  ~DeviceRowsTest() override {
    EXPECT_EQ(counts_.allocations, 0u);
    EXPECT_EQ(counts_.registered, 0u);
  }

  std::unique_ptr<Gpu> MustOpenGpu(size_t registers = 1000) {
    auto gpu = Gpu::Open(FakeDriver(counts_, registers));
    EXPECT_TRUE(gpu.ok()) << gpu.status();
    return *std::move(gpu);
  }

  // Decodes steps of two layers, with as many steps under way as there are slots, and looks at what
  // the main stream finds in the GPU's memory.
  void Decode(const Gpu& gpu, DeviceRows& rows, size_t slots, size_t steps) {
    const auto main = gpu.NewStream();
    const auto side = gpu.NewStream();
    ASSERT_TRUE(main.ok() && side.ok());
    std::vector<std::vector<std::vector<uint32_t>>> ids(steps);  // [steps][layers]
    size_t submitted = 0;
    for (size_t step = 0; step < steps; ++step) {
      for (; submitted < std::min(step + slots, steps); ++submitted) {
        std::vector<RowPipeline::Request> requests;
        for (uint32_t layer = 0; layer < 2; ++layer) {
          ids[submitted].push_back(
              RandomIds(*table_, kGroups, 2 * static_cast<uint32_t>(submitted) + layer));
        }
        for (const auto& row_ids : ids[submitted]) requests.push_back({.row_ids = row_ids});
        ASSERT_EQ(rows.Submit(submitted, std::move(requests)), absl::OkStatus());
      }
      for (size_t layer = 0; layer < 2; ++layer) {
        ASSERT_EQ(rows.Await(step, layer), absl::OkStatus());
        rows.Copy(step, layer, **side, **main);
      }
      ASSERT_EQ((*main)->Synchronize(), absl::OkStatus());
      for (size_t layer = 0; layer < 2; ++layer) {
        EXPECT_EQ(Check(ids[step][layer], rows.device_rows(step, layer)), absl::OkStatus());
      }
    }
  }

  absl::Status Check(const std::vector<uint32_t>& ids, DevicePointer rows) {
    const size_t row_bytes = table_->spec().row_bytes;
    return CheckSelfDescribingRows(daemon_.key(), ids,
                                   {FakeDeviceBytes(rows), ids.size() * row_bytes}, row_bytes);
  }

  FakeDriverCounts counts_;
  Daemon daemon_{GetParam()};
  std::unique_ptr<Client> client_ = MustConnect(daemon_.address(), GetParam());
  std::unique_ptr<Table> table_ = MustOpen(*client_);
};

TEST_P(DeviceRowsTest, BringsEachStepsRowsToTheGpuFromPinnedBuffers) {
  const auto gpu = MustOpenGpu();
  const auto rows = DeviceRows::Create(*gpu, *client_, {table_.get(), table_.get()},
                                       {.slots = 3, .groups = kGroups});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ((*rows)->shareable(), GetParam() == Transport::kShared);
  EXPECT_EQ((*rows)->step_bytes(), 2 * kGroups * 8 * table_->spec().row_bytes);
  EXPECT_EQ(counts_.registered, 3u);  // one for each slot
  Decode(*gpu, **rows, /*slots=*/3, /*steps=*/20);
  EXPECT_EQ(counts_.pinned_copies, 40u);
  EXPECT_EQ(counts_.pageable_copies, 0u);
  const DeviceRows::TierCounts& tiers = (*rows)->tiers();
  EXPECT_EQ(std::accumulate(tiers.begin(), tiers.end(), uint64_t{0}), 40 * kGroups);
}

TEST_P(DeviceRowsTest, CopiesFromPageableMemoryIfTold) {
  const auto gpu = MustOpenGpu();
  const auto rows = DeviceRows::Create(*gpu, *client_, {table_.get(), table_.get()},
                                       {.slots = 2, .groups = kGroups, .pin = false});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(counts_.registered, 0u);
  Decode(*gpu, **rows, /*slots=*/2, /*steps=*/5);
  EXPECT_EQ(counts_.pageable_copies, 10u);
}

TEST_P(DeviceRowsTest, SaysWhatCannotBePinned) {
  const auto gpu = MustOpenGpu(/*registers=*/1);
  const auto rows = DeviceRows::Create(*gpu, *client_, {table_.get(), table_.get()},
                                       {.slots = 2, .groups = kGroups});
  EXPECT_TRUE(absl::IsResourceExhausted(rows.status())) << rows.status();
  EXPECT_THAT(
      rows.status().message(),
      AllOf(HasSubstr("cuMemHostRegister failed: CUDA_ERROR_OUT_OF_MEMORY"), HasSubstr("pinning")));
}

TEST_P(DeviceRowsTest, NamesTheTableThatFails) {
  const auto gpu = MustOpenGpu();
  const auto rows =
      DeviceRows::Create(*gpu, *client_, {table_.get()}, {.slots = 2, .groups = kGroups});
  ASSERT_TRUE(rows.ok()) << rows.status();
  daemon_.Drop();
  const std::vector<uint32_t> ids = RandomIds(*table_, kGroups, 1);
  ASSERT_EQ((*rows)->Submit(0, {{.row_ids = ids}}), absl::OkStatus());
  const absl::Status status = (*rows)->Await(0, 0);
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), StartsWith("t/layer1: "));
  EXPECT_THAT((*rows)->tiers(), Each(0u));
}

INSTANTIATE_TEST_SUITE_P(Transports, DeviceRowsTest,
                         testing::Values(Transport::kUnix, Transport::kShared), TransportName);

}  // namespace
}  // namespace engram::gpu_worker
