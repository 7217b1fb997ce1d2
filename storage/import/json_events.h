// Strict reading of JSON files of known shape, without a tree of the whole document in memory.
#ifndef ENGRAM_STORAGE_IMPORT_JSON_EVENTS_H_
#define ENGRAM_STORAGE_IMPORT_JSON_EVENTS_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace engram::storage {

// Receives a document's events. Every event that a subclass does not override is refused.
class JsonEvents : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override;
  bool boolean(bool value) override;
  bool number_integer(number_integer_t value) override;
  bool number_unsigned(number_unsigned_t value) override;
  bool number_float(number_float_t value, const string_t& text) override;
  bool string(string_t& value) override;
  bool binary(binary_t& value) override;
  bool start_object(size_t elements) override;
  bool key(string_t& value) override;
  bool end_object() override;
  bool start_array(size_t elements) override;
  bool end_array() override;
  bool parse_error(size_t position, const std::string& token,
                   const nlohmann::json::exception& exception) final;

  const std::string& error() const { return error_; }

 protected:
  // Stops the parser. Returns false, for the caller to pass on.
  bool Fail(std::string message);
  bool Unexpected(absl::string_view what);

  // Where in the document the parser is, for messages: "tensor 'a', field 'shape'".
  virtual std::string Where() const = 0;

 private:
  std::string error_;
};

// Returns OK, or INVALID_ARGUMENT with what is wrong with `text`; `file` begins the message.
absl::Status ParseJson(absl::string_view text, absl::string_view file, JsonEvents& events);

}  // namespace engram::storage

#endif  // ENGRAM_STORAGE_IMPORT_JSON_EVENTS_H_
