#include "server/table_values.h"

#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace engram::server {
namespace {

template <typename Value>
absl::Status Parse(absl::string_view text, absl::string_view kind,
                   absl::FunctionRef<std::optional<Value>(absl::string_view)> parse,
                   std::map<std::string, Value>* values) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not TABLE=", kind));
  }
  const std::optional<Value> value = parse(text.substr(equals + 1));
  if (!value.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", text.substr(equals + 1), "' in '", text, "' is no ", kind));
  }
  if (!values->emplace(std::string(text.substr(0, equals)), *value).second) {
    return absl::InvalidArgumentError(
        absl::StrCat("table '", text.substr(0, equals), "' is given twice"));
  }
  return absl::OkStatus();
}

std::optional<absl::Duration> ParseWindow(absl::string_view text) {
  absl::Duration duration;
  const bool valid = absl::ParseDuration(text, &duration) && duration >= absl::ZeroDuration() &&
                     duration != absl::InfiniteDuration();
  return valid ? std::optional(duration) : std::nullopt;
}

std::optional<double> ParseFraction(absl::string_view text) {
  const bool percent = absl::ConsumeSuffix(&text, "%");
  double value = 0;
  if (!absl::SimpleAtod(text, &value)) return std::nullopt;
  if (percent) value /= 100;
  return value > 0 && value <= 1 ? std::optional(value) : std::nullopt;
}

}  // namespace

absl::Status ParseTableDuration(absl::string_view text,
                                std::map<std::string, absl::Duration>* values) {
  return Parse<absl::Duration>(text, "DURATION", ParseWindow, values);
}

absl::Status ParseTableFraction(absl::string_view text, std::map<std::string, double>* values) {
  return Parse<double>(text, "FRACTION", ParseFraction, values);
}

}  // namespace engram::server
