#include "client/ctl/progress.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/ctl/units.h"

namespace engram::ctl {
namespace {

constexpr absl::Duration kBarInterval = absl::Milliseconds(100);
constexpr size_t kLineWidth = 79;
constexpr size_t kLabelWidth = 20;
constexpr size_t kMaxBarWidth = 20;
constexpr size_t kMinBarWidth = 4;

double Fraction(const ProgressState& state) {
  if (state.total == 0) return 0;
  return std::min(1.0, static_cast<double>(state.done) / static_cast<double>(state.total));
}

// The end of a long label tells it from others: a table's layer.
std::string ShortLabel(const std::string& label) {
  if (label.size() <= kLabelWidth) return label;
  return absl::StrCat("..", label.substr(label.size() - kLabelWidth + 2));
}

// "LABEL [####....] TEXT", with as much of a bar as there is room for.
std::string BarLine(const std::string& label, double fraction, const std::string& text) {
  std::string line = ShortLabel(label);
  const size_t taken = line.size() + text.size() + 4;
  const size_t width = taken < kLineWidth ? std::min(kMaxBarWidth, kLineWidth - taken) : 0;
  if (width >= kMinBarWidth) {
    const auto filled = static_cast<size_t>(fraction * static_cast<double>(width));
    absl::StrAppend(&line, " [", std::string(filled, '#'), std::string(width - filled, '.'), "]");
  }
  return absl::StrCat(line, " ", text).substr(0, kLineWidth);
}

}  // namespace

Progress::Progress(const Console& console, absl::Duration line_interval)
    : console_(console),
      interval_(console.err_is_terminal ? kBarInterval : line_interval),
      next_(absl::Now() + (console.err_is_terminal ? absl::ZeroDuration() : line_interval)) {}

Progress::~Progress() { Clear(); }

void Progress::Update(const ProgressState& state) {
  const absl::Time now = absl::Now();
  if (state.label != label_) {
    label_ = state.label;
    label_start_ = now;
  }
  if (now < next_) return;
  next_ = now + interval_;

  const double fraction = Fraction(state);
  double left = state.seconds_left;
  if (left < 0 && fraction > 0) {
    left = absl::ToDoubleSeconds(now - label_start_) * (1 - fraction) / fraction;
  }
  std::string text = absl::StrFormat("%3.0f %%  %s  %s", 100 * fraction, state.amount, state.rate);
  if (left > 0) {
    const auto seconds = static_cast<uint64_t>(std::ceil(left));
    absl::StrAppend(&text, "  ", FormatWholeSeconds(seconds), " left");
  }
  if (console_.err_is_terminal) {
    console_.err << "\r" << BarLine(label_, fraction, text) << "\x1b[K";
    bar_shown_ = true;
  } else {
    console_.err << label_ << ": " << text << "\n";
  }
  console_.err << std::flush;
}

void Progress::Clear() {
  if (bar_shown_) console_.err << "\r\x1b[K" << std::flush;
  bar_shown_ = false;
  if (console_.err_is_terminal) next_ = absl::InfinitePast();
}

}  // namespace engram::ctl
