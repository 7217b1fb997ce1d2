// Where a command reads and writes.
#ifndef ENGRAM_CLIENT_CTL_CONSOLE_H_
#define ENGRAM_CLIENT_CTL_CONSOLE_H_

#include <istream>
#include <ostream>

namespace engram::ctl {

struct Console {
  std::ostream& out;  // results
  std::ostream& err;  // errors, questions and progress
  std::istream& in;   // answers
  bool in_is_terminal = false;
  bool err_is_terminal = false;
};

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_CONSOLE_H_
