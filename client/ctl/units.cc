#include "client/ctl/units.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace engram::ctl {
namespace {

// Three digits: "1.05", "10.5", "105", "1050".
std::string ThreeDigits(double value) {
  if (value < 9.995) return absl::StrFormat("%.2f", value);
  if (value < 99.95) return absl::StrFormat("%.1f", value);
  return absl::StrFormat("%.0f", value);
}

}  // namespace

std::string FormatCount(uint64_t count) {
  const std::string digits = absl::StrCat(count);
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string FormatBytes(double bytes) {
  if (bytes < 999.5) return absl::StrFormat("%.0f B", bytes);
  const char* const prefixes = "kMGTP";
  size_t prefix = 0;
  for (bytes /= 1000; bytes >= 999.5 && prefix < 4; bytes /= 1000) ++prefix;
  return absl::StrFormat("%s %cB", ThreeDigits(bytes), prefixes[prefix]);
}

std::string FormatRate(double bytes_per_second) {
  return absl::StrCat(FormatBytes(bytes_per_second), "/s");
}

std::string FormatWholeSeconds(uint64_t seconds) {
  if (seconds < 60) return absl::StrCat(seconds, " s");
  const uint64_t minutes = seconds / 60;
  if (minutes < 60) return absl::StrCat(minutes, " min ", seconds % 60, " s");
  const uint64_t hours = minutes / 60;
  if (hours < 24) return absl::StrCat(hours, " h ", minutes % 60, " min");
  return absl::StrCat(hours / 24, " d ", hours % 24, " h");
}

std::string FormatSeconds(double seconds) {
  if (seconds < 9.995) return absl::StrFormat("%.2f s", seconds);
  return FormatWholeSeconds(static_cast<uint64_t>(std::llround(seconds)));
}

std::string FormatLatency(double microseconds) {
  if (microseconds < 999.5) return absl::StrFormat("%.0f us", microseconds);
  if (microseconds < 999.5e3) return absl::StrCat(ThreeDigits(microseconds / 1e3), " ms");
  return absl::StrCat(ThreeDigits(microseconds / 1e6), " s");
}

std::string FormatShare(uint64_t part, uint64_t whole) {
  if (whole == 0) return "-";
  return absl::StrFormat("%.1f %%", 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string FormatUnixTime(int64_t seconds) {
  return absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixSeconds(seconds), absl::LocalTimeZone());
}

}  // namespace engram::ctl
