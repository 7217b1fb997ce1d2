#include "client/row_pipeline.h"

#include <cstdlib>
#include <cstring>
#include <set>
#include <tuple>
#include <utility>

#include "client/checkpoint/self_describing.h"
#include "gmock/gmock.h"
#include "tests/client/client_testing.h"
#include "tests/client/fake_streams_testing.h"

namespace engram {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr size_t kPageBytes = 4096;

// Memory for buffers, and what is done with it.
class Hooks {
 public:
  ~Hooks() {
    EXPECT_TRUE(allocated_.empty());
    EXPECT_TRUE(registered_.empty());
  }

  RowPipelineOptions Options(RowPipelineOptions options) {
    options.allocate = [this](size_t bytes) {
      auto* const memory = static_cast<std::byte*>(std::aligned_alloc(kPageBytes, bytes));
      EXPECT_TRUE(allocated_.emplace(memory, bytes).second);
      return memory;
    };
    options.free = [this](std::byte* memory, size_t bytes) {
      EXPECT_EQ(allocated_.erase({memory, bytes}), 1u);
      std::free(memory);
    };
    options.register_buffer = [this](absl::Span<std::byte> buffer) {
      registers_left -= 1;
      if (registers_left < 0) return absl::InternalError("no pins left");
      EXPECT_TRUE(registered_.emplace(buffer.data(), buffer.size()).second);
      return absl::OkStatus();
    };
    options.unregister_buffer = [this](absl::Span<std::byte> buffer) {
      EXPECT_EQ(registered_.erase({buffer.data(), buffer.size()}), 1u);
      EXPECT_EQ(allocated_.count({buffer.data(), buffer.size()}), allocates() ? 1u : 0u);
    };
    return options;
  }

  bool allocates() const { return !allocated_.empty(); }
  size_t allocated() const { return allocated_.size(); }
  size_t registered() const { return registered_.size(); }

  int registers_left = 1000;

 private:
  using Memory = std::pair<std::byte*, size_t>;
  std::set<Memory> allocated_;
  std::set<Memory> registered_;
};

std::unique_ptr<RowPipeline> MustCreate(Client& client, std::vector<Table*> tables,
                                        RowPipelineOptions options) {
  auto pipeline = RowPipeline::Create(client, std::move(tables), std::move(options));
  EXPECT_TRUE(pipeline.ok()) << pipeline.status();
  return pipeline.ok() ? *std::move(pipeline) : nullptr;
}

class RowPipelineTest : public testing::TestWithParam<Transport> {
 protected:
  // Steps through the table, with other rows for each step and place among the tables.
  void StepThrough(RowPipeline& pipeline, size_t depth) {
    struct UnderWay {
      std::vector<uint32_t> first;
      std::vector<uint32_t> second;
      RowPipeline::Step step;
    };
    std::vector<UnderWay> under_way;
    for (uint32_t i = 0; i < 50; ++i) {
      if (under_way.size() == depth) {
        UnderWay& oldest = under_way.front();
        ASSERT_EQ(oldest.step.Wait(0), absl::OkStatus());
        EXPECT_EQ(Check(oldest.first, oldest.step.rows(0)), absl::OkStatus());
        ASSERT_EQ(oldest.step.Wait(), absl::OkStatus());
        EXPECT_EQ(oldest.step.TryWait(), absl::OkStatus());
        EXPECT_EQ(oldest.step.TryWait(1), absl::OkStatus());
        EXPECT_EQ(Check(oldest.first, oldest.step.rows(0)), absl::OkStatus());
        EXPECT_EQ(Check(oldest.second, oldest.step.rows(1)), absl::OkStatus());
        under_way.erase(under_way.begin());
      }
      std::vector<uint32_t> first = RandomIds(*table_, 1 + i % 4, 2 * i);
      std::vector<uint32_t> second = RandomIds(*table_, 4 - i % 4, 2 * i + 1);
      auto step = pipeline.Submit({{.row_ids = first}, {.row_ids = second}});
      ASSERT_TRUE(step.ok()) << step.status();
      under_way.push_back({std::move(first), std::move(second), *std::move(step)});
    }
  }
  absl::Status Check(const std::vector<uint32_t>& ids, absl::Span<const std::byte> rows) {
    return CheckSelfDescribingRows(daemon_.key(), ids, rows, table_->spec().row_bytes);
  }

  Daemon daemon_{GetParam()};
  std::unique_ptr<Client> client_ = MustConnect(daemon_.address(), GetParam());
  std::unique_ptr<Table> table_ = MustOpen(*client_);
};

TEST_P(RowPipelineTest, StepsInBuffersOfTheClient) {
  const auto pipeline =
      MustCreate(*client_, {table_.get(), table_.get()}, {.depth = 3, .max_groups = 4});
  EXPECT_EQ(pipeline->shareable(), GetParam() == Transport::kShared);
  StepThrough(*pipeline, 3);
}

TEST_P(RowPipelineTest, StepsInBuffersOfTheCaller) {
  Hooks hooks;
  const auto pipeline = MustCreate(*client_, {table_.get(), table_.get()},
                                   hooks.Options({.depth = 2, .max_groups = 4}));
  EXPECT_FALSE(pipeline->shareable());
  EXPECT_EQ(hooks.allocated(), 2u);
  EXPECT_EQ(hooks.registered(), 2u);
  StepThrough(*pipeline, 2);
  EXPECT_EQ(hooks.registered(), 2u);
}

TEST_P(RowPipelineTest, DestroyedStepsWriteNoMore) {
  const auto pipeline = MustCreate(*client_, {table_.get()}, {.depth = 1, .max_groups = 50});
  for (uint32_t i = 0; i < 50; ++i) {
    const auto dropped = RandomIds(*table_, 50, 2 * i);
    ASSERT_TRUE(pipeline->Submit({{.row_ids = dropped}}).ok());
    const auto ids = RandomIds(*table_, 50, 2 * i + 1);
    auto step = pipeline->Submit({{.row_ids = ids}});
    ASSERT_TRUE(step.ok()) << step.status();
    ASSERT_EQ(step->Wait(), absl::OkStatus());
    ASSERT_EQ(Check(ids, step->rows(0)), absl::OkStatus());
  }
}

TEST_P(RowPipelineTest, StepOutlivesAllElse) {
  Hooks hooks;
  const auto ids = RandomIds(*table_, 2, 1);
  auto pipeline =
      MustCreate(*client_, {table_.get()}, hooks.Options({.depth = 2, .max_groups = 2}));
  auto submitted = pipeline->Submit({{.row_ids = ids}});
  ASSERT_TRUE(submitted.ok()) << submitted.status();
  std::optional<RowPipeline::Step> step = *std::move(submitted);
  const size_t row_bytes = table_->spec().row_bytes;
  pipeline.reset();
  table_.reset();
  client_.reset();
  EXPECT_EQ(hooks.registered(), 2u);
  ASSERT_EQ(step->Wait(), absl::OkStatus());
  EXPECT_EQ(CheckSelfDescribingRows(daemon_.key(), ids, step->rows(0), row_bytes),
            absl::OkStatus());
  step.reset();
  EXPECT_EQ(hooks.registered(), 0u);
}

TEST_P(RowPipelineTest, OutlivesARestartOfTheDaemon) {
  const auto pipeline =
      MustCreate(*client_, {table_.get(), table_.get()}, {.depth = 2, .max_groups = 4});
  StepThrough(*pipeline, 2);
  daemon_.Stop();
  const auto ids = RandomIds(*table_, 4, 1);
  auto step = pipeline->Submit({{.row_ids = ids}, {.row_ids = ids}});
  ASSERT_TRUE(step.ok()) << step.status();
  daemon_.Start();
  EXPECT_EQ(step->Wait(), absl::OkStatus());
  EXPECT_EQ(Check(ids, step->rows(1)), absl::OkStatus());
  *step = *pipeline->Submit({{.row_ids = ids}, {.row_ids = ids}});
  EXPECT_EQ(step->Wait(), absl::OkStatus());
  EXPECT_EQ(Check(ids, step->rows(0)), absl::OkStatus());
}

INSTANTIATE_TEST_SUITE_P(All, RowPipelineTest,
                         testing::Values(Transport::kUnix, Transport::kTcp, Transport::kShared),
                         TransportName);

// A pipeline for tables "any" and "other" of a fake daemon, which answers what and when the test
// says. Rows are their ids.
class HeldStepsTest : public testing::Test {
 protected:
  std::unique_ptr<RowPipeline> Create(RowPipelineOptions options) {
    return MustCreate(*rig_.client, {rig_.table.get(), other_.get()}, std::move(options));
  }
  absl::StatusOr<RowPipeline::Step> Submit(RowPipeline& pipeline, uint32_t first_id) {
    const std::vector<uint32_t> first = {first_id, first_id};
    const std::vector<uint32_t> second = {first_id + 1, 0, 0, first_id + 1};
    return pipeline.Submit({{.row_ids = first}, {.row_ids = second}});
  }
  static std::vector<uint32_t> Rows(const RowPipeline::Step& step, size_t table) {
    std::vector<uint32_t> rows(step.rows(table).size() / sizeof(uint32_t));
    std::memcpy(rows.data(), step.rows(table).data(), step.rows(table).size());
    return rows;
  }

  StreamRig rig_{Hold};
  std::unique_ptr<Table> other_ = MustOpen(*rig_.client, "other");
};

TEST_F(HeldStepsTest, TablesAreWaitedForOneByOne) {
  const auto pipeline = Create({.max_groups = 2});
  auto step = Submit(*pipeline, 5);
  ASSERT_TRUE(step.ok()) << step.status();
  const auto requests = rig_.streams.AwaitRequests(2);
  EXPECT_EQ(requests[0].table().name(), "any");
  EXPECT_EQ(requests[1].table().name(), "other");
  EXPECT_EQ(step->TryWait(0), std::nullopt);
  EXPECT_EQ(step->TryWait(), std::nullopt);
  rig_.streams.SendRightAnswer(0);
  EXPECT_EQ(step->Wait(0), absl::OkStatus());
  EXPECT_EQ(step->TryWait(0), absl::OkStatus());
  EXPECT_EQ(step->TryWait(1), std::nullopt);
  EXPECT_EQ(step->TryWait(), std::nullopt);
  EXPECT_THAT(Rows(*step, 0), ElementsAre(5, 5));
  rig_.streams.Send(1, ErrorMessage(requests[1], 15, "row 6"));
  EXPECT_EQ(step->Wait(), absl::DataLossError("row 6"));
  EXPECT_EQ(step->Wait(0), absl::OkStatus());
}

TEST_F(HeldStepsTest, AFullRingIsExhaustedUntilAStepGoes) {
  const auto pipeline = Create({.depth = 2, .max_groups = 2});
  auto first = Submit(*pipeline, 1);
  auto second = Submit(*pipeline, 2);
  ASSERT_TRUE(first.ok() && second.ok());
  const absl::Status full = Submit(*pipeline, 3).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_THAT(full.message(), HasSubstr("2 steps"));
  rig_.streams.AwaitRequests(4);

  for (const size_t i : {0, 1}) rig_.streams.SendRightAnswer(i);
  EXPECT_EQ(first->Wait(), absl::OkStatus());
  EXPECT_FALSE(Submit(*pipeline, 3).ok()) << "its rows may still be in use";
  const std::byte* const memory = first->rows(0).data();
  first = absl::CancelledError();
  auto third = Submit(*pipeline, 3);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(third->rows(0).data(), memory);
  rig_.streams.AwaitRequests(6);
  for (const size_t i : {2, 3, 4, 5}) rig_.streams.SendRightAnswer(i);
  EXPECT_EQ(third->Wait(), absl::OkStatus());
  EXPECT_EQ(second->Wait(), absl::OkStatus());
  EXPECT_THAT(Rows(*second, 1), ElementsAre(3, 0, 0, 3));
  EXPECT_THAT(Rows(*third, 1), ElementsAre(4, 0, 0, 4));
}

TEST_F(HeldStepsTest, CancelledAndDestroyedUnderWay) {
  const auto pipeline = Create({.depth = 2, .max_groups = 2});
  auto cancelled = Submit(*pipeline, 1);
  auto dropped = Submit(*pipeline, 2);
  ASSERT_TRUE(cancelled.ok() && dropped.ok());
  cancelled->Cancel();
  EXPECT_TRUE(absl::IsCancelled(cancelled->Wait(0)));
  EXPECT_TRUE(absl::IsCancelled(cancelled->Wait()));
  dropped = absl::CancelledError();
  rig_.streams.AwaitCancels(4);
  auto step = Submit(*pipeline, 3);
  ASSERT_TRUE(step.ok()) << step.status();
  rig_.streams.AwaitRequests(6);
  for (size_t i = 0; i < 6; ++i) rig_.streams.SendRightAnswer(i);
  EXPECT_EQ(step->Wait(), absl::OkStatus());
  EXPECT_THAT(Rows(*step, 0), ElementsAre(3, 3));
}

TEST_F(HeldStepsTest, RequestsThatDoNotFitAreRefusedAndNothingIsSent) {
  const auto pipeline = Create({.depth = 1, .max_groups = 2});
  const std::vector<uint32_t> good = {1, 2};
  const std::vector<uint32_t> none;
  const std::vector<uint32_t> odd = {1, 2, 3};
  const std::vector<uint32_t> many(6, 1);
  const std::vector<uint32_t> beyond = {1, 100};
  std::vector<Tier> tiers(2);
  const std::tuple<std::vector<RowPipeline::Request>, absl::StatusCode, const char*> cases[] = {
      {{{good}}, absl::StatusCode::kInvalidArgument, "requests for 1 tables"},
      {{{good}, {good}, {good}}, absl::StatusCode::kInvalidArgument, "requests for 3 tables"},
      {{{good}, {none}}, absl::StatusCode::kInvalidArgument, "\"other\""},
      {{{odd}, {good}}, absl::StatusCode::kInvalidArgument, "\"any\""},
      {{{good}, {many}}, absl::StatusCode::kInvalidArgument, "6 row ids for table \"other\""},
      {{{good}, {beyond}}, absl::StatusCode::kOutOfRange, "\"other\""},
      {{{good}, {good, {.tiers = absl::MakeSpan(tiers)}}},
       absl::StatusCode::kInvalidArgument,
       "tiers"},
  };
  for (const auto& [requests, code, offence] : cases) {
    const absl::Status status = pipeline->Submit(requests).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(status.message(), HasSubstr(offence));
  }
  auto step = Submit(*pipeline, 1);
  ASSERT_TRUE(step.ok()) << step.status();
  rig_.streams.AwaitRequests(2);
  for (const size_t i : {0, 1}) rig_.streams.SendRightAnswer(i);
  EXPECT_EQ(step->Wait(), absl::OkStatus());
  EXPECT_EQ(rig_.streams.received(), 2u);
}

TEST_F(HeldStepsTest, BuffersAndTheirPartsBeginPages) {
  Hooks hooks;
  const auto pipeline = Create(hooks.Options({.depth = 3, .max_groups = 500}));
  EXPECT_EQ(hooks.registered(), 3u);
  auto step = Submit(*pipeline, 1);
  ASSERT_TRUE(step.ok());
  for (const size_t table : {0, 1}) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(step->rows(table).data()) % kPageBytes, 0u);
  }
  EXPECT_EQ(step->rows(0).size(), 8u);
  EXPECT_EQ(step->rows(1).size(), 16u);
}

TEST_F(HeldStepsTest, BuffersOfTheClientAreRegisteredToo) {
  Hooks hooks;
  RowPipelineOptions options = hooks.Options({.depth = 3, .max_groups = 2});
  options.allocate = nullptr;
  options.free = nullptr;
  const auto pipeline = Create(options);
  EXPECT_EQ(hooks.registered(), 3u);
}

TEST_F(HeldStepsTest, AFailedRegistrationUndoesTheOthers) {
  for (const int good : {0, 1, 2}) {
    Hooks hooks;
    hooks.registers_left = good;
    const auto pipeline = RowPipeline::Create(*rig_.client, {rig_.table.get()},
                                              hooks.Options({.depth = 3, .max_groups = 2}));
    EXPECT_EQ(pipeline.status(), absl::InternalError("no pins left"));
    EXPECT_EQ(hooks.registers_left, -1);
    EXPECT_EQ(hooks.allocated(), 0u);
  }
}

TEST_F(HeldStepsTest, OptionsOutOfRangeAndAllocatorsThatFail) {
  using Change = void (*)(std::vector<Table*>*, RowPipelineOptions*);
  const std::tuple<Change, absl::StatusCode, const char*> cases[] = {
      {[](auto* tables, auto*) { tables->clear(); }, absl::StatusCode::kInvalidArgument, "table"},
      {[](auto*, auto* o) { o->depth = 0; }, absl::StatusCode::kInvalidArgument, "depth"},
      {[](auto*, auto* o) { o->depth = 1025; }, absl::StatusCode::kInvalidArgument, "depth"},
      {[](auto*, auto* o) { o->max_groups = 0; }, absl::StatusCode::kInvalidArgument, "max_groups"},
      {[](auto*, auto* o) { o->max_groups = 501; }, absl::StatusCode::kInvalidArgument,
       "1 to 500 for table \"any\""},
      {[](auto*, auto* o) { o->free = nullptr; }, absl::StatusCode::kInvalidArgument, "both"},
      {[](auto*, auto* o) { o->allocate = [](size_t) -> std::byte* { return nullptr; }; },
       absl::StatusCode::kResourceExhausted, "4096 bytes"},
  };
  for (const auto& [change, code, offence] : cases) {
    Hooks hooks;
    std::vector<Table*> tables = {rig_.table.get()};
    RowPipelineOptions options = hooks.Options({.max_groups = 2});
    change(&tables, &options);
    const absl::Status status = RowPipeline::Create(*rig_.client, tables, options).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(status.message(), HasSubstr(offence));
  }
}

TEST_F(HeldStepsTest, MemoryThatDoesNotBeginAPageIsRefusedAndFreed) {
  alignas(kPageBytes) static std::byte memory[2 * kPageBytes];
  int freed = 0;
  RowPipelineOptions options = {.max_groups = 2};
  options.allocate = [](size_t) { return memory + 64; };
  options.free = [&freed](std::byte* unaligned, size_t) {
    EXPECT_EQ(unaligned, memory + 64);
    ++freed;
  };
  const auto pipeline = RowPipeline::Create(*rig_.client, {rig_.table.get()}, options);
  EXPECT_TRUE(absl::IsInvalidArgument(pipeline.status())) << pipeline.status();
  EXPECT_EQ(freed, 1);
}

}  // namespace
}  // namespace engram
