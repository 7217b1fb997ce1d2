// Fetches one group of a table and prints its rows in hex.
//
//   fetch_rows ADDRESS TABLE [FIRST_ROW]
//
//   fetch_rows unix:/run/engramd/engramd.sock deepseek-v4.1-flash/layer1 4711
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "client/engram_client.h"

namespace {

absl::Status PrintGroup(const std::string& address, const std::string& name, uint32_t first_row) {
  const auto client = engram::Client::Connect({.address = address});
  if (!client.ok()) {
    return client.status();
  }
  const auto opened = (*client)->OpenTable(name);
  if (!opened.ok()) {
    return opened.status();
  }
  engram::Table& table = **opened;

  std::vector<uint32_t> row_ids(table.spec().group_size);
  std::iota(row_ids.begin(), row_ids.end(), first_row);
  std::vector<std::byte> rows(row_ids.size() * table.spec().row_bytes);
  // Submit returns at once; a worker would now go on with other work.
  engram::Ticket ticket =
      table.Submit(row_ids, absl::MakeSpan(rows), {.deadline = absl::Now() + absl::Seconds(1)});
  if (absl::Status status = ticket.Wait(); !status.ok()) {
    return status;
  }

  const absl::string_view bytes(reinterpret_cast<const char*>(rows.data()), rows.size());
  for (size_t i = 0; i < row_ids.size(); ++i) {
    const auto row = bytes.substr(i * table.spec().row_bytes, table.spec().row_bytes);
    std::cout << row_ids[i] << " " << absl::BytesToHexString(row) << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  uint32_t first_row = 0;
  if (argc < 3 || argc > 4 || (argc == 4 && !absl::SimpleAtoi(argv[3], &first_row))) {
    std::cerr << "usage: fetch_rows ADDRESS TABLE [FIRST_ROW]\n";
    return 2;
  }
  if (const absl::Status status = PrintGroup(argv[1], argv[2], first_row); !status.ok()) {
    std::cerr << "fetch_rows: " << status << "\n";
    return 1;
  }
  return 0;
}
