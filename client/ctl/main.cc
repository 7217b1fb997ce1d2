#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "client/ctl/engramctl.h"

int main(int argc, char** argv) {
  // gRPC's own log would stand between our lines. Whoever wants it sets the variable.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  // As client/engram_client.h advises a program that fetches a lot.
  mallopt(M_MMAP_THRESHOLD, 256 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const int code = engram::ctl::RunEngramctl(argc, argv,
                                             {.out = std::cout,
                                              .err = std::cerr,
                                              .in = std::cin,
                                              .in_is_terminal = isatty(STDIN_FILENO) == 1,
                                              .err_is_terminal = isatty(STDERR_FILENO) == 1});
  if (code == EXIT_SUCCESS && !std::cout.flush()) {
    std::cerr << "engramctl: the output could not be written\n";
    return EXIT_FAILURE;
  }
  return code;
}
