#include "client/ctl/text_table.h"

#include <algorithm>

namespace engram::ctl {

void TextTable::Print(std::ostream& out, const std::string& indent) const {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : columns_) lines[0].push_back(column.title);
  lines.insert(lines.end(), rows_.begin(), rows_.end());
  std::vector<size_t> widths(columns_.size());
  for (const auto& cells : lines) {
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  for (const auto& cells : lines) {
    std::string line = indent;
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string padding(widths[i] - cells[i].size(), ' ');
      line += i == 0 ? "" : "  ";
      line += columns_[i].right ? padding + cells[i] : cells[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  }
}

}  // namespace engram::ctl
