#include "tests/bench/report.h"

#include <sys/utsname.h>

#include <cmath>
#include <cstddef>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace engram::bench {
namespace {

// A row of the table: names of members of a case's result.
struct Figure {
  const char* case_name;
  const char* what;
  const char* unit;
  const char* figure;
  const char* reference;  // "" where there is none
  const char* reference_what;
  const char* ratio;
};

constexpr Figure kFigures[] = {
    {"ram", "groups held, one thread", "rows/s", "cache_rows_per_s", "limit_rows_per_s",
     "plain gather", "ratio_to_limit"},
    {"ram", "groups held, two threads", "rows/s", "cache_rows_per_s_2", "limit_rows_per_s_2",
     "plain gather", "ratio_to_limit_2"},
    {"ram", "whole table, one thread", "rows/s", "all_rows_per_s", "limit_all_rows_per_s",
     "plain gather", "ratio_to_limit_all"},
    {"hash", "chunks, one core", "row ids/s", "prefill_ids_per_s", "", "", ""},
    {"hash", "single tokens, one core", "row ids/s", "decode_ids_per_s", "", "", ""},
    {"dequantize", "FP8 rows to FP32, one core", "values/s", "fp32_values_per_s",
     "table_loop_values_per_s", "loop over a table", "ratio_to_table_loop"},
    {"dequantize", "FP8 rows to BF16, one core", "values/s", "bf16_values_per_s", "", "", ""},
    {"cold-layout", "a key a page, ReadRows", "rows/s", "pages_rows_per_s", "rows_stock_rows_per_s",
     "RocksDB, a key a row, MultiGet", "ratio_to_stock"},
    {"nvme", "nothing in RAM, one thread", "rows/s", "rows_per_s", "device_reads_per_s",
     "io_uring, random 4 KiB, depth 128", "ratio_to_device"},
    {"nvme", "nothing in RAM, one thread", "rows/s", "rows_per_s", "stock_rows_per_s",
     "RocksDB, a key a row, MultiGet", "ratio_to_stock"},
    {"nvme", "a token's rows, p50", "us", "token_us", "device_token_us", "as many reads at once",
     "token_latency_ratio"},
    {"import", "checkpoint", "MB/s", "import_mb_per_s", "sequential_write_mb_per_s",
     "sequential write and fsync", "ratio_to_sequential_write"},
    {"grpc", "all in RAM, Unix socket", "bytes/s", "bytes_per_s", "echo_bytes_per_s", "bare gRPC",
     "ratio_to_echo"},
    {"grpc", "all in RAM, Unix socket", "bytes/s", "bytes_per_s", "redis_bytes_per_s",
     "Redis, MGET", "ratio_to_redis"},
    {"shm", "all in RAM, shared memory", "bytes/s", "bytes_per_s", "grpc_bytes_per_s", "gRPC",
     "ratio_to_grpc"},
    {"shm", "all in RAM, shared memory", "bytes/s", "bytes_per_s", "limit_bytes_per_s",
     "plain gather", "ratio_to_limit"},
    {"shm", "CPU time of both ends, an answer", "us", "cpu_us", "grpc_cpu_us", "gRPC",
     "cpu_ratio_to_grpc"},
    {"shm", "a token's rows, back to back, p50", "us", "token_us", "grpc_token_us", "gRPC",
     "p50_ratio_to_grpc"},
    {"scale", "start, 16 times the rows", "ms", "start_ms", "small_start_ms", "1 time",
     "start_ratio"},
    {"scale", "hot rows, 16 times the rows", "rows/s", "hot_rows_per_s", "small_hot_rows_per_s",
     "1 time", "hot_ratio"},
    {"scale", "memory beside the RAM tier, a row", "bytes", "memory_bytes_per_row", "", "", ""},
    {"scale", "the same at 768 million rows", "bytes", "memory_bytes_768m", "", "", ""},
    {"shm", "a token's rows every 10 ms, p50", "us", "paced_token_us", "grpc_paced_token_us",
     "gRPC", "paced_p50_ratio_to_grpc"},
    {"placement", "RAM for a tenth of a text's groups", "hits a lookup", "hit_ratio", "belady",
     "Belady's MIN", "ratio_to_belady"},
    {"worker", "worker, shared memory", "tokens/s", "tokens_per_s", "baseline_tokens_per_s",
     "without fetches", "ratio_to_baseline"},
};

std::string WithThousands(double number) {
  std::string digits = absl::StrFormat("%.0f", number);
  for (size_t at = digits.size(); at > 3; at -= 3) {
    digits.insert(at - 3, 1, ',');
  }
  return digits;
}

std::string ValueToText(const nlohmann::json& value) {
  if (!value.is_number()) {
    return value.is_string() ? value.get<std::string>() : value.dump();
  }
  const auto number = value.get<double>();
  const bool fraction = value.is_number_float() && std::abs(number) < 100;
  return fraction ? absl::StrFormat("%.3f", number) : WithThousands(number);
}

std::string FirstLineWith(const std::string& path, absl::string_view start) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (absl::string_view rest = line; absl::ConsumePrefix(&rest, start)) {
      return std::string(absl::StripAsciiWhitespace(
          std::string(absl::StripPrefix(absl::StripLeadingAsciiWhitespace(rest), ":"))));
    }
  }
  return "unknown";
}

std::string Machine() {
  utsname system = {};
  uname(&system);
  return absl::StrCat(FirstLineWith("/proc/cpuinfo", "model name"), ", ",
                      std::thread::hardware_concurrency(), " cores, memory ",
                      FirstLineWith("/proc/meminfo", "MemTotal"), ", ", system.sysname, " ",
                      system.release);
}

}  // namespace

std::string ToText(const nlohmann::json& result) {
  std::string text;
  for (const auto& [name, value] : result.items()) {
    absl::StrAppend(&text, absl::StrFormat("%-28s %s\n", name, ValueToText(value)));
  }
  return text;
}

std::string ToMarkdown(const std::map<std::string, CaseResult>& cases) {
  std::string text = absl::StrCat(
      "# Benchmarks\n\n", Machine(),
      ". Every reference was measured in the same run, by turns; ratios are medians of the ratios "
      "of each round.\n\n| case | figure | reference | ratio | command |\n"
      "| --- | --- | --- | --- | --- |\n");
  for (const Figure& figure : kFigures) {
    const auto found = cases.find(figure.case_name);
    if (found == cases.end()) {
      continue;
    }
    const nlohmann::json& result = found->second.result;
    const auto value = [&](const std::string& name) {
      return name.empty() ? "" : result.at(name).is_null() ? "-" : ValueToText(result.at(name));
    };
    const std::string reference =
        *figure.reference == '\0'
            ? ""
            : absl::StrCat(figure.reference_what, ": ", value(figure.reference));
    absl::StrAppend(&text, "| ", figure.case_name, ": ", figure.what, " | ", value(figure.figure),
                    " ", figure.unit, " | ", reference, " | ", value(figure.ratio), " | `",
                    found->second.command, "` |\n");
  }
  return text;
}

}  // namespace engram::bench
