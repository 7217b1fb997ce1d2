// How help texts look.
#ifndef ENGRAM_CLIENT_CTL_HELP_FORMATTER_H_
#define ENGRAM_CLIENT_CTL_HELP_FORMATTER_H_

#include <CLI/CLI.hpp>
#include <string>

namespace engram::ctl {

// Says of an option what its value is and what stands for it if it is not given, and leaves to the
// description and the error messages what else CLI11 would list there.
class HelpFormatter : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(24); }

  std::string make_option_opts(const CLI::Option* option) const override {
    std::string text;
    if (!option->get_positional() && option->get_type_size() != 0) {
      const std::string type = option->get_type_name();
      text = " " + type.substr(0, type.find(':'));
      if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + "]";
    }
    return option->get_required() && !option->get_positional() ? text + " (required)" : text;
  }
};

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_HELP_FORMATTER_H_
