#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "storage/import/npy_file.h"

namespace engram::storage {
namespace {

constexpr size_t kMaxRank = 16;

// Reads the few Python literals that a .npy header is made of; a failed step leaves error() set.
class LiteralReader {
 public:
  explicit LiteralReader(absl::string_view text) : text_(text) {}

  const std::string& error() const { return error_; }

  bool Fail(absl::string_view what) {
    if (error_.empty()) error_ = absl::StrCat("header: ", what, " at byte ", at_);
    return false;
  }

  // Skips blanks, then takes `c` if it is next.
  bool Take(char c) {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool Expect(char c) {
    return Take(c) || Fail(absl::StrCat("'", absl::string_view(&c, 1), "' expected"));
  }

  bool ReadString(std::string* out) {
    const bool single = Take('\'');
    if (!single && !Take('"')) return Fail("string expected");
    const size_t end = text_.find(single ? '\'' : '"', at_);
    if (end == absl::string_view::npos) return Fail("string without an end");
    *out = std::string(text_.substr(at_, end - at_));
    if (out->find('\\') != std::string::npos) return Fail("string with a backslash");
    at_ = end + 1;
    return true;
  }

  bool ReadBool(bool* out) {
    Take('\0');  // skips blanks
    for (const auto& [word, value] : {std::pair<absl::string_view, bool>("True", true),
                                      std::pair<absl::string_view, bool>("False", false)}) {
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      *out = value;
      return true;
    }
    return Fail("True or False expected");
  }

  bool ReadNumber(uint64_t* out) {
    Take('\0');  // skips blanks
    const size_t begin = at_;
    while (at_ < text_.size() && absl::ascii_isdigit(static_cast<unsigned char>(text_[at_]))) ++at_;
    if (begin == at_) return Fail("number expected");
    if (!absl::SimpleAtoi(text_.substr(begin, at_ - begin), out)) return Fail("number too large");
    return true;
  }

  // "()", "(5,)", "(5, 3)".
  bool ReadTuple(std::vector<uint64_t>* out) {
    if (!Expect('(')) return false;
    bool comma = true;
    while (!Take(')')) {
      uint64_t number = 0;
      if (!comma) return Fail("',' or ')' expected");
      if (out->size() == kMaxRank) return Fail("too many dimensions");
      if (!ReadNumber(&number)) return false;
      out->push_back(number);
      comma = Take(',');
    }
    // Python takes "(5)" for a number.
    return out->size() != 1 || comma || Fail("tuple expected");
  }

  bool AtEnd() {
    Take('\0');  // skips blanks
    return at_ == text_.size() || Fail("the end expected");
  }

 private:
  const absl::string_view text_;
  size_t at_ = 0;
  std::string error_;
};

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<uint64_t> shape;
};

bool ReadField(LiteralReader& reader, const std::string& key, Header* header) {
  if (key == "descr") {
    if (reader.Take('[')) return reader.Fail("structured dtypes cannot be imported, found one");
    return reader.ReadString(&header->descr);
  }
  if (key == "fortran_order") return reader.ReadBool(&header->fortran_order);
  if (key == "shape") return reader.ReadTuple(&header->shape);
  return reader.Fail(absl::StrCat("unknown key ", Quoted(key)));
}

bool ReadHeader(LiteralReader& reader, Header* header) {
  std::vector<std::string> keys;
  if (!reader.Expect('{')) return false;
  bool comma = true;
  while (!reader.Take('}')) {
    std::string key;
    if (!comma) return reader.Fail("',' or '}' expected");
    if (!reader.ReadString(&key)) return false;
    for (const std::string& seen : keys) {
      if (seen == key) return reader.Fail(absl::StrCat("second ", Quoted(key)));
    }
    if (!reader.Expect(':') || !ReadField(reader, key, header)) return false;
    keys.push_back(std::move(key));
    comma = reader.Take(',');
  }
  if (keys.size() != 3) return reader.Fail("descr, fortran_order or shape is missing");
  return reader.AtEnd();
}

// Element bytes of a void type: "|V264" -> 264.
std::optional<uint32_t> VoidBytes(absl::string_view descr) {
  uint32_t bytes = 0;
  if (descr.size() < 3 || (descr[0] != '|' && descr[0] != '<') || descr[1] != 'V') return {};
  if (!absl::ascii_isdigit(static_cast<unsigned char>(descr[2]))) return {};
  if (!absl::SimpleAtoi(descr.substr(2), &bytes) || bytes == 0) return {};
  return bytes;
}

std::optional<TensorType> TypeOf(absl::string_view descr) {
  // One byte has no order: NumPy writes '|' for it.
  constexpr std::array<std::pair<absl::string_view, TensorType>, 13> kTypes = {{
      {"|b1", TensorType::kBool},
      {"|i1", TensorType::kI8},
      {"|u1", TensorType::kU8},
      {"<f2", TensorType::kF16},
      {"<f4", TensorType::kF32},
      {"<f8", TensorType::kF64},
      {"<i2", TensorType::kI16},
      {"<i4", TensorType::kI32},
      {"<i8", TensorType::kI64},
      {"<u2", TensorType::kU16},
      {"<u4", TensorType::kU32},
      {"<u8", TensorType::kU64},
      {"<c8", TensorType::kC64},
  }};
  for (const auto& [name, type] : kTypes) {
    if (name == descr) return type;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<Tensor> ParseNpyHeader(absl::string_view text, absl::string_view path) {
  const auto refuse = [&](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", what));
  };
  LiteralReader reader(text);
  Header header;
  if (!ReadHeader(reader, &header)) return refuse(reader.error());
  if (header.fortran_order) return refuse("array in Fortran order, only C order can be imported");
  if (!header.descr.empty() && header.descr.front() == '>') {
    return refuse(absl::StrCat("big-endian dtype ", Quoted(header.descr)));
  }
  Tensor tensor;
  tensor.shape = std::move(header.shape);
  if (const std::optional<uint32_t> bytes = VoidBytes(header.descr)) {
    tensor.type = TensorType::kU8;
    if (tensor.shape.size() < 2) {
      tensor.shape.push_back(*bytes);
    } else if (__builtin_mul_overflow(tensor.shape.back(), *bytes, &tensor.shape.back())) {
      return refuse("shape is too large");
    }
  } else if (const std::optional<TensorType> type = TypeOf(header.descr)) {
    tensor.type = *type;
  } else {
    return refuse(absl::StrCat("unsupported dtype ", Quoted(header.descr)));
  }
  const std::optional<uint64_t> bytes = ByteSize(tensor.type, tensor.shape);
  if (!bytes) return refuse(absl::StrCat(tensor.TypeAndShape(), " is too large"));
  tensor.bytes = *bytes;
  return tensor;
}

}  // namespace engram::storage
