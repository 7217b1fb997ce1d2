// How far a long command is, on the console's error stream.
#ifndef ENGRAM_CLIENT_CTL_PROGRESS_H_
#define ENGRAM_CLIENT_CTL_PROGRESS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "client/ctl/console.h"

namespace engram::ctl {

struct ProgressState {
  std::string label;  // what is worked on
  uint64_t done = 0;  // of `total`, in any unit
  uint64_t total = 0;
  std::string amount;  // the same for people: "46.1 GB of 101 GB"
  std::string rate;    // "2.87 GB/s"
  // 0: not known; negative: worked out from `done` and the time since the label changed.
  double seconds_left = -1;
};

// On a terminal, a bar that is redrawn in place and gone at the end. Otherwise a plain line now and
// then, none for what is soon done. One thread.
class Progress {
 public:
  explicit Progress(const Console& console, absl::Duration line_interval = absl::Seconds(5));
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // Clears the bar.
  ~Progress();

  // May be called as often as one likes.
  void Update(const ProgressState& state);

  // Removes the bar, so that something else can be printed; the next Update draws it again.
  void Clear();

 private:
  const Console console_;
  const absl::Duration interval_;
  absl::Time next_;  // when to print again
  std::string label_;
  absl::Time label_start_;
  bool bar_shown_ = false;
};

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_PROGRESS_H_
