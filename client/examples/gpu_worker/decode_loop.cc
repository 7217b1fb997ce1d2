#include "client/examples/gpu_worker/decode_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/checkpoint/self_describing.h"

namespace engram::gpu_worker {
namespace {

double MicrosecondsSince(absl::Time start) {
  return absl::ToDoubleMicroseconds(absl::Now() - start);
}

}  // namespace

absl::StatusOr<std::unique_ptr<DecodeLoop>> DecodeLoop::Create(const DecodeParts& parts,
                                                               const DecodeOptions& options) {
  std::unique_ptr<DecodeLoop> loop(new DecodeLoop(parts, options));
  if (absl::Status status = loop->Prepare(); !status.ok()) return status;
  return loop;
}

absl::Status DecodeLoop::Prepare() {
  ids_.resize(all_steps() * layers() * step_ids());
  absl::StatusOr<DeviceMemory> checksums =
      parts_.gpu.Allocate(all_steps() * layers() * sizeof(uint64_t));
  if (!checksums.ok()) return checksums.status();
  checksums_ = *std::move(checksums);
  absl::StatusOr<Event> done = parts_.gpu.NewEvent(/*timed=*/false);
  if (!done.ok()) return done.status();
  step_done_ = *std::move(done);
  events_.resize(all_steps() * layers());
  for (WaitEvents& wait : events_) {
    for (Event* event : {&wait.before, &wait.after}) {
      absl::StatusOr<Event> made = parts_.gpu.NewEvent(/*timed=*/true);
      if (!made.ok()) return made.status();
      *event = *std::move(made);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Round> DecodeLoop::Run(Text text, bool with_rows) {
  Round round;
  round.layers.resize(layers());
  parts_.main.Clear(checksums_.get(), all_steps() * layers() * sizeof(uint64_t));
  if (absl::Status status = parts_.main.Synchronize(); !status.ok()) return status;
  for (size_t step = 0; step < std::min(options_.ahead, all_steps()); ++step) {
    if (absl::Status status = Ask(text, step, step, with_rows); !status.ok()) return status;
  }
  absl::Duration on_clock_time;
  for (size_t step = 0; step < all_steps(); ++step) {
    const absl::Time start = absl::Now();
    absl::Status status = DecodeStep(text, step, with_rows, round);
    // The tokens of the next step are known when those sampled at this one are on the host.
    if (status.ok()) status = parts_.gpu.Synchronize(step_done_);
    if (!status.ok()) return status;
    if (on_clock(step)) on_clock_time += absl::Now() - start;
  }
  step_time_ = on_clock_time / static_cast<int64_t>(options_.steps);
  round.step_ms = absl::ToDoubleMilliseconds(step_time_);
  if (absl::Status status = ReadStalls(round); !status.ok()) return status;
  if (with_rows && options_.check) {
    if (absl::Status status = CheckRows(round); !status.ok()) return status;
  }
  return round;
}

absl::Status DecodeLoop::DecodeStep(Text& text, size_t step, bool with_rows, Round& round) {
  if (options_.launch_first) parts_.model.Launch(0);
  const absl::Time start = absl::Now();
  if (step + options_.ahead < all_steps()) {
    absl::Status status = Ask(text, step + options_.ahead, options_.ahead, with_rows);
    if (!status.ok()) return status;
  }
  if (on_clock(step)) round.ask.push_back(MicrosecondsSince(start));
  if (!options_.launch_first) parts_.model.Launch(0);
  for (size_t layer = 0; layer < layers(); ++layer) {
    if (absl::Status status = AddRows(step, layer, with_rows, round); !status.ok()) return status;
    parts_.model.Launch(layer + 1);
  }
  parts_.main.Record(step_done_);
  absl::Status status = parts_.side.status();
  status.Update(parts_.main.status());
  return status;
}

// The step that had the slot before has ended, and with it all use of the slot's memory: its copy
// came before its injection, and that before its end.
absl::Status DecodeLoop::Ask(Text& text, size_t step, size_t ahead, bool with_rows) {
  if (absl::Status status = text.Next(batch_); !status.ok()) return status;
  std::vector<RowPipeline::Request> requests;
  for (size_t layer = 0; layer < layers(); ++layer) {
    const absl::Span<uint32_t> row_ids = ids(step, layer);
    if (absl::Status status = parts_.hasher.Hash(layer, batch_, row_ids); !status.ok()) {
      return status;
    }
    requests.push_back({.row_ids = row_ids, .options = {.needed_at = NeededAt(layer, ahead)}});
  }
  return with_rows ? parts_.rows.Submit(step, std::move(requests)) : absl::OkStatus();
}

absl::Time DecodeLoop::NeededAt(size_t layer, size_t ahead) const {
  const double steps =
      static_cast<double>(ahead) + static_cast<double>(parts_.hasher.layers()[layer].layer_id) /
                                       static_cast<double>(parts_.model.shape().layers);
  return absl::Now() + step_time_ * steps;
}

absl::Status DecodeLoop::AddRows(size_t step, size_t layer, bool with_rows, Round& round) {
  parts_.main.Record(events(step, layer).before);
  if (with_rows) {
    const absl::Time start = absl::Now();
    if (absl::Status status = parts_.rows.Await(step, layer); !status.ok()) return status;
    if (on_clock(step)) round.layers[layer].wait.push_back(MicrosecondsSince(start));
    parts_.rows.Copy(step, layer, parts_.side, parts_.main);
  }
  parts_.main.Record(events(step, layer).after);
  Inject(parts_.kernels, parts_.layout,
         {.rows = parts_.rows.device_rows(step, layer),
          .hidden = parts_.model.hidden(),
          .checksum = checksum(step, layer),
          .tokens = parts_.model.shape().batch,
          .width = parts_.model.shape().hidden},
         parts_.main);
  return absl::OkStatus();
}

absl::Status DecodeLoop::ReadStalls(Round& round) {
  for (size_t step = 0; step < all_steps(); ++step) {
    for (size_t layer = 0; on_clock(step) && layer < layers(); ++layer) {
      const WaitEvents& wait = events(step, layer);
      const absl::StatusOr<double> stall = parts_.gpu.MicrosecondsBetween(wait.before, wait.after);
      if (!stall.ok()) return stall.status();
      round.layers[layer].stall.push_back(*stall);
    }
  }
  return absl::OkStatus();
}

absl::Status DecodeLoop::CheckRows(Round& round) {
  std::vector<uint64_t> used(all_steps() * layers());
  parts_.main.CopyToHost(used.data(), checksums_.get(), used.size() * sizeof(uint64_t));
  if (absl::Status status = parts_.main.Synchronize(); !status.ok()) return status;
  const size_t row_bytes = parts_.layout.row_bytes;
  std::vector<std::byte> rows(step_ids() * row_bytes);
  for (size_t step = 0; step < all_steps(); ++step) {
    for (size_t layer = 0; layer < layers(); ++layer) {
      const absl::Span<const uint32_t> row_ids = ids(step, layer);
      for (size_t i = 0; i < row_ids.size(); ++i) {
        FillSelfDescribingRow(parts_.tables[layer].key, row_ids[i],
                              absl::MakeSpan(rows).subspan(i * row_bytes, row_bytes));
      }
      const uint64_t expected = ChecksumRows(rows);
      if (used[step * layers() + layer] != expected) {
        return absl::DataLossError(absl::StrFormat(
            "the rows of %s that the GPU used at step %u of a round are not those asked for: "
            "checksum %016x instead of %016x",
            parts_.tables[layer].table->name(), step, used[step * layers() + layer], expected));
      }
      round.rows_checked += row_ids.size();
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::gpu_worker
