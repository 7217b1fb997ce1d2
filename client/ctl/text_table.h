// Text in aligned columns.
#ifndef ENGRAM_CLIENT_CTL_TEXT_TABLE_H_
#define ENGRAM_CLIENT_CTL_TEXT_TABLE_H_

#include <ostream>
#include <string>
#include <vector>

namespace engram::ctl {

class TextTable {
 public:
  struct Column {
    std::string title;
    bool right = false;  // numbers stand at the column's right
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // One cell a column; ASCII.
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  // Prints the titles and the rows, each line after `indent` and without blanks at its end.
  void Print(std::ostream& out, const std::string& indent = "") const;

 private:
  const std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace engram::ctl

#endif  // ENGRAM_CLIENT_CTL_TEXT_TABLE_H_
