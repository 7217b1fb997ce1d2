// Decoding step by step, with rows from the daemon or without.
#ifndef ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_DECODE_LOOP_H_
#define ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_DECODE_LOOP_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/ctl/replay_tables.h"
#include "client/examples/gpu_worker/device_rows.h"
#include "client/examples/gpu_worker/gpu.h"
#include "client/examples/gpu_worker/injection.h"
#include "client/examples/gpu_worker/kernels.h"
#include "client/examples/gpu_worker/model.h"
#include "client/examples/gpu_worker/text.h"
#include "client/hash/ngram_hasher.h"

namespace engram::gpu_worker {

struct DecodeOptions {
  size_t warm_up_steps = 10;  // of each round, before the clock starts
  size_t steps = 200;         // of each round, on the clock
  // 0: a step's tokens are known when the step before it has ended. N: they are known N steps
  // earlier, as a prompt's or a draft's are, and rows are asked for then.
  size_t ahead = 0;
  // Launch the layers before the first rows, and then hash and ask. The GPU starts sooner, the
  // fetch later.
  bool launch_first = false;
  bool check = true;  // compare the GPU's checksums with those of self-describing rows

  // Those behind the clock are there for each step on it to ask for rows.
  size_t steps_of_round() const { return warm_up_steps + steps + ahead; }
};

// What a round measured; times in microseconds, one for each step on the clock.
struct Round {
  struct Layer {
    std::vector<double> wait;   // of the host, for rows
    std::vector<double> stall;  // of the GPU, between the layers before and the rows' use
  };
  double step_ms = 0;       // the mean over all steps on the clock
  std::vector<double> ask;  // hashing and, with rows, submitting
  std::vector<Layer> layers;
  uint64_t rows_checked = 0;
};

// What the loop drives. All of it outlives the loop.
struct DecodeParts {
  const Gpu& gpu;
  const Kernels& kernels;
  const NgramHasher& hasher;
  const std::vector<ctl::ReplayTable>& tables;
  const RowLayout& layout;
  Model& model;
  DeviceRows& rows;
  Stream& main;  // of the model
  Stream& side;  // of the copies
};

class DecodeLoop {
 public:
  static absl::StatusOr<std::unique_ptr<DecodeLoop>> Create(const DecodeParts& parts,
                                                            const DecodeOptions& options);

  // Runs the steps of one round from a place in the text on. Without rows all is done as with
  // them, hashing and the injection of whatever the GPU's memory holds included, but for the
  // fetches and the copies.
  // Returns
  //   DATA_LOSS  the rows that the GPU used at some step are not those that were asked for
  //   or what the fetches and the driver return
  absl::StatusOr<Round> Run(Text text, bool with_rows);

 private:
  // Recorded in the main stream around the wait for a layer's rows.
  struct WaitEvents {
    Event before{nullptr, nullptr};
    Event after{nullptr, nullptr};
  };

  DecodeLoop(const DecodeParts& parts, const DecodeOptions& options)
      : parts_(parts), options_(options) {}
  absl::Status Prepare();

  size_t layers() const { return parts_.tables.size(); }
  size_t all_steps() const { return options_.steps_of_round(); }
  bool on_clock(size_t step) const {
    return step >= options_.warm_up_steps && step < options_.warm_up_steps + options_.steps;
  }
  size_t step_ids() const { return parts_.model.shape().batch * parts_.layout.rows_per_token; }
  absl::Span<uint32_t> ids(size_t step, size_t layer) {
    return absl::MakeSpan(ids_).subspan((step * layers() + layer) * step_ids(), step_ids());
  }
  WaitEvents& events(size_t step, size_t layer) { return events_[step * layers() + layer]; }
  DevicePointer checksum(size_t step, size_t layer) const {
    return checksums_.get() + (step * layers() + layer) * sizeof(uint64_t);
  }

  // Reads a step's tokens, which are known `ahead` steps before it begins, and asks for its rows.
  absl::Status Ask(Text& text, size_t step, size_t ahead, bool with_rows);
  // When a layer takes the rows of a step that begins in `ahead` steps, as the last round went.
  absl::Time NeededAt(size_t layer, size_t ahead) const;
  absl::Status DecodeStep(Text& text, size_t step, bool with_rows, Round& round);
  absl::Status AddRows(size_t step, size_t layer, bool with_rows, Round& round);
  absl::Status ReadStalls(Round& round);
  absl::Status CheckRows(Round& round);

  const DecodeParts parts_;
  const DecodeOptions options_;
  NgramBatch batch_;
  std::vector<uint32_t> ids_;       // [all_steps x layers x step_ids]
  std::vector<WaitEvents> events_;  // [all_steps x layers]
  DeviceMemory checksums_;          // [all_steps x layers]
  Event step_done_{nullptr, nullptr};
  absl::Duration step_time_ = absl::InfiniteDuration();  // of the last round; infinite: not known
};

}  // namespace engram::gpu_worker

#endif  // ENGRAM_CLIENT_EXAMPLES_GPU_WORKER_DECODE_LOOP_H_
