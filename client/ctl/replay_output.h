// What a replay measured, for people and programs.
#ifndef ENGRAM_CLIENT_CTL_REPLAY_OUTPUT_H_
#define ENGRAM_CLIENT_CTL_REPLAY_OUTPUT_H_

#include <ostream>
#include <string>

#include "client/ctl/json_output.h"
#include "client/ctl/replay.h"

namespace engram::ctl {

struct ReplayReport {
  std::string prefix;  // of the tables' names
  size_t layers = 0;
  size_t documents = 0;  // of one pass
  ReplayOptions options = {};
  bool shared_memory = false;  // how the rows came, or by gRPC
  ReplayResult result = {};
  // Reads from the device for these tables meanwhile, whoever caused them.
  uint64_t nvme_reads = 0;
  uint64_t nvme_bytes_read = 0;
};

void PrintReport(const ReplayReport& report, std::ostream& out);
Json ToJson(const ReplayReport& report);

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_REPLAY_OUTPUT_H_
