// Checks of options' values, with messages for people.
#ifndef ENGRAM_CLIENT_CTL_OPTION_CHECKS_H_
#define ENGRAM_CLIENT_CTL_OPTION_CHECKS_H_

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>
#include <string>

#include "absl/strings/numbers.h"

namespace engram::ctl {

// A number above 0.
inline CLI::Validator AboveZero() {
  return CLI::Validator(
      [](const std::string& value) {
        double number = 0;
        const bool ok =
            CLI::detail::lexical_cast(value, number) && number > 0 && std::isfinite(number);
        return ok ? std::string() : "\"" + value + "\" is not a number above 0";
      },
      "");
}

// A number from 0 to 1.
inline CLI::Validator Part() {
  return CLI::Validator(
      [](const std::string& value) {
        double number = 0;
        const bool ok = absl::SimpleAtod(value, &number) && number >= 0 && number <= 1;
        return ok ? std::string() : "\"" + value + "\" is not a number from 0 to 1";
      },
      "");
}

// What CLI::AsSizeValue makes a size of; it would take a negative number for a very large one.
inline CLI::Validator NotNegative() {
  return CLI::Validator(
      [](const std::string& value) {
        const bool ok = value.find('-') == std::string::npos;
        return ok ? std::string() : "\"" + value + "\" is no size";
      },
      "");
}

// A row id, a token or the like. CLI11 itself takes an empty text for a 0.
inline CLI::Validator WholeNumber() {
  return CLI::Validator(
      [](const std::string& value) {
        uint32_t number = 0;
        const bool ok = absl::SimpleAtoi(value, &number);
        return ok ? std::string() : "\"" + value + "\" is not a whole number below 2^32";
      },
      "");
}

// Text that is not empty.
inline CLI::Validator NotEmpty() {
  return CLI::Validator(
      [](const std::string& value) {
        return value.empty() ? std::string("must not be empty") : std::string();
      },
      "");
}

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_OPTION_CHECKS_H_
