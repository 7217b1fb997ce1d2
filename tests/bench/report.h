// Benchmarks' results, for people.
#ifndef ENGRAM_TESTS_BENCH_REPORT_H_
#define ENGRAM_TESTS_BENCH_REPORT_H_

#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace engram::bench {

// One line a member of the object: its name, and its value with thousands marked.
std::string ToText(const nlohmann::json& result);

// What one case found, and the command that finds it again.
struct CaseResult {
  nlohmann::json result;
  std::string command;
};

// A Markdown document: the machine, and a table of case, figure, reference, ratio and command.
// Cases go by the names of the sub-commands; those that are absent are left out.
std::string ToMarkdown(const std::map<std::string, CaseResult>& cases);

}  // namespace engram::bench

#endif  // ENGRAM_TESTS_BENCH_REPORT_H_
