// Checks of options' values, with messages for people.
#ifndef ENGRAM_CLIENT_CTL_OPTION_CHECKS_H_
#define ENGRAM_CLIENT_CTL_OPTION_CHECKS_H_

#include <CLI/CLI.hpp>
#include <string>

namespace engram::ctl {

// A number above 0.
inline CLI::Validator AboveZero() {
  return CLI::Validator(
      [](const std::string& value) {
        double number = 0;
        const bool ok = CLI::detail::lexical_cast(value, number) && number > 0;
        return ok ? std::string() : "\"" + value + "\" is not a number above 0";
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
