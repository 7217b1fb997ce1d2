#include "storage/import/json_events.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace engram::storage {

bool JsonEvents::null() { return Unexpected("null"); }
bool JsonEvents::boolean(bool /*value*/) { return Unexpected("a boolean"); }
bool JsonEvents::number_integer(number_integer_t /*value*/) {
  return Unexpected("a negative number");
}
bool JsonEvents::number_unsigned(number_unsigned_t /*value*/) { return Unexpected("a number"); }
bool JsonEvents::number_float(number_float_t /*value*/, const string_t& /*text*/) {
  return Unexpected("a number that is no 64-bit integer");
}
bool JsonEvents::string(string_t& /*value*/) { return Unexpected("a string"); }
bool JsonEvents::binary(binary_t& /*value*/) { return Unexpected("binary data"); }
bool JsonEvents::start_object(size_t /*elements*/) { return Unexpected("an object"); }
bool JsonEvents::key(string_t& /*value*/) { return Unexpected("a key"); }
bool JsonEvents::end_object() { return Unexpected("the end of an object"); }
bool JsonEvents::start_array(size_t /*elements*/) { return Unexpected("an array"); }
bool JsonEvents::end_array() { return Unexpected("the end of an array"); }

bool JsonEvents::parse_error(size_t position, const std::string& /*token*/,
                             const nlohmann::json::exception& /*exception*/) {
  return Fail(absl::StrCat("is not valid JSON at byte ", position));
}

bool JsonEvents::Fail(std::string message) {
  if (error_.empty()) error_ = std::move(message);
  return false;
}

bool JsonEvents::Unexpected(absl::string_view what) {
  return Fail(absl::StrCat(Where(), ": ", what, " is not allowed here"));
}

absl::Status ParseJson(absl::string_view text, absl::string_view file, JsonEvents& events) {
  const bool parsed = nlohmann::json::sax_parse(text.begin(), text.end(), &events);
  if (parsed) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", events.error()));
}

}  // namespace engram::storage
