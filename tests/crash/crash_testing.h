// Victims: the test program runs itself as a process that works on a directory until it is killed.
#ifndef ENGRAM_TESTS_CRASH_CRASH_TESTING_H_
#define ENGRAM_TESTS_CRASH_CRASH_TESTING_H_

#include <string>

#include "absl/time/time.h"

namespace engram::storage {

// What a victim runs: it returns only on an error, with an exit status.
using Victim = int (*)(const std::string& dir);

// A static object of this makes a victim known by its name.
struct RegisterVictim {
  RegisterVictim(const std::string& name, Victim victim);
};

// By a victim: tells its killer a line of text, at once.
void Acknowledge(const std::string& line);

// Starts a victim on a directory and kills it `life` after its start, or after its first line;
// returns what it acknowledged. Fails the test if the victim ended by itself.
std::string RunVictim(const std::string& name, const std::string& dir, absl::Duration life,
                      bool after_first_line);

}  // namespace engram::storage

#endif  // ENGRAM_TESTS_CRASH_CRASH_TESTING_H_
