#include "client/fetch_request.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <string>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/slice.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/v1/engram.pb.h"

namespace engram {
namespace {

using google::protobuf::io::CodedOutputStream;
using Wire = google::protobuf::internal::WireFormatLite;

static_assert(std::endian::native == std::endian::little, "row ids are sent as they are in memory");

// An answer that is sent at the deadline has to come, from a daemon that may be busy.
constexpr absl::Duration kPartialAnswerGrace = absl::Seconds(1);

constexpr uint32_t kRowIdsTag =
    Wire::MakeTag(v1::FetchRequest::kRowIdsFieldNumber, Wire::WIRETYPE_LENGTH_DELIMITED);

}  // namespace

absl::Status ValidateIds(const Table& table, absl::Span<const uint32_t> row_ids) {
  const TableSpec& spec = table.spec();
  const auto name = [&] { return absl::StrCat("table \"", table.name(), "\""); };
  if (row_ids.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no row ids given for ", name()));
  }
  if (row_ids.size() % spec.group_size != 0) {
    return absl::InvalidArgumentError(absl::StrCat(row_ids.size(),
                                                   " row ids are no multiple of the group size of ",
                                                   name(), ", which is ", spec.group_size));
  }
  if (row_ids.size() > table.max_fetch_rows()) {
    return absl::ResourceExhaustedError(absl::StrCat(
        row_ids.size(), " row ids in one fetch are over the limit of ", table.max_fetch_rows(),
        " for rows of ", spec.row_bytes, " bytes: split the fetch"));
  }
  // The common case, all in range, is one pass without a branch.
  if (*std::max_element(row_ids.begin(), row_ids.end()) >= spec.rows) {
    const auto first =
        std::find_if(row_ids.begin(), row_ids.end(), [&](uint32_t id) { return id >= spec.rows; });
    return absl::OutOfRangeError(absl::StrCat("row id ", *first, " at index ",
                                              first - row_ids.begin(), " is not in ", name(),
                                              ", which has ", spec.rows, " rows"));
  }
  return absl::OkStatus();
}

absl::Status ValidateFetch(const Table& table, absl::Span<const uint32_t> row_ids,
                           absl::Span<const std::byte> rows, const FetchOptions& options) {
  const TableSpec& spec = table.spec();
  if (absl::Status status = ValidateIds(table, row_ids); !status.ok()) return status;
  if (const size_t needed = row_ids.size() * spec.row_bytes; rows.size() != needed) {
    return absl::InvalidArgumentError(absl::StrCat("the output for rows has ", rows.size(),
                                                   " bytes, and ", needed, " are needed"));
  }
  const size_t groups = row_ids.size() / spec.group_size;
  if (!options.tiers.empty() && options.tiers.size() != groups) {
    return absl::InvalidArgumentError(absl::StrCat("the output for tiers has ",
                                                   options.tiers.size(), " entries, and ", groups,
                                                   " are needed"));
  }
  if (options.partial && options.tiers.empty()) {
    return absl::InvalidArgumentError(
        "a fetch that takes a partial answer needs an output for tiers, which says what is absent");
  }
  return absl::OkStatus();
}

std::optional<uint64_t> MicrosecondsToDeadline(const FetchOptions& options) {
  if (options.deadline == absl::InfiniteFuture()) return 0;
  const int64_t left = absl::ToInt64Microseconds(options.deadline - absl::Now());
  if (left > 0) return static_cast<uint64_t>(left);
  return options.partial ? std::optional<uint64_t>(1) : std::nullopt;
}

void SetOptions(const FetchOptions& options, v1::FetchRequest* request) {
  request->set_needed_us(MicrosecondsUntilNeeded(options.needed_at));
  request->set_partial(options.partial);
  request->set_bulk(options.bulk);
}

absl::Time GiveUpAt(const FetchOptions& options) {
  return options.partial ? std::max(options.deadline, absl::Now()) + kPartialAnswerGrace
                         : options.deadline;
}

uint64_t MicrosecondsUntilNeeded(absl::Time needed_at) {
  if (needed_at == absl::InfiniteFuture()) return 0;
  return static_cast<uint64_t>(
      std::max<int64_t>(1, absl::ToInt64Microseconds(needed_at - absl::Now())));
}

EncodedRequest EncodeFetchRequest(absl::string_view head, absl::Span<const uint32_t> row_ids) {
  const auto ids_bytes = static_cast<uint32_t>(row_ids.size() * sizeof(uint32_t));
  const size_t prefix = head.size() + CodedOutputStream::VarintSize32(kRowIdsTag) +
                        CodedOutputStream::VarintSize32(ids_bytes);
  // In words, with the message at the end of them, so that its ids are aligned.
  const size_t words = (prefix + sizeof(uint32_t) - 1) / sizeof(uint32_t) + row_ids.size();
  auto memory = std::make_unique_for_overwrite<uint32_t[]>(words);
  uint32_t* const ids = memory.get() + words - row_ids.size();
  std::memcpy(ids, row_ids.data(), ids_bytes);
  uint8_t* const begin = reinterpret_cast<uint8_t*>(ids) - prefix;
  std::memcpy(begin, head.data(), head.size());
  uint8_t* out = begin + head.size();
  out = CodedOutputStream::WriteVarint32ToArray(kRowIdsTag, out);
  CodedOutputStream::WriteVarint32ToArray(ids_bytes, out);
  const grpc::Slice slice(
      begin, prefix + ids_bytes, [](void* all) { delete[] static_cast<uint32_t*>(all); },
      memory.release());
  return {.message = grpc::ByteBuffer(&slice, 1), .row_ids = {ids, row_ids.size()}};
}

}  // namespace engram
