#include "proto/fetch_wire.h"

#include <cstdint>
#include <limits>
#include <string>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include "absl/strings/str_cat.h"
#include "engram/v1/engram.pb.h"

namespace engram::wire {
namespace {

using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;
using Wire = google::protobuf::internal::WireFormatLite;

constexpr uint32_t kRowsTag =
    Wire::MakeTag(v1::FetchResponse::kRowsFieldNumber, Wire::WIRETYPE_LENGTH_DELIMITED);
constexpr uint32_t kTiersTag =
    Wire::MakeTag(v1::FetchResponse::kTiersFieldNumber, Wire::WIRETYPE_LENGTH_DELIMITED);

constexpr uint32_t kTicketTag =
    Wire::MakeTag(v1::FetchResponse::kTicketFieldNumber, Wire::WIRETYPE_VARINT);

// Reads a length-delimited field into `out`, or skips it if `out` is empty.
absl::Status ReadBytes(const char* field, absl::Span<std::byte> out, CodedInputStream* in) {
  uint32_t length = 0;
  if (!in->ReadVarint32(&length)) {
    return absl::InternalError(absl::StrCat("malformed answer: no length of field ", field));
  }
  if (out.empty()) {
    return in->Skip(static_cast<int>(length))
               ? absl::OkStatus()
               : absl::InternalError(absl::StrCat("malformed answer: field ", field, " cut short"));
  }
  if (length != out.size()) {
    return absl::InternalError(absl::StrCat("the answer's field ", field, " has ", length,
                                            " bytes where ", out.size(), " were expected"));
  }
  if (!in->ReadRaw(out.data(), static_cast<int>(length))) {
    return absl::InternalError(absl::StrCat("malformed answer: field ", field, " cut short"));
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ByteBuffer EncodeFetchResponse(const v1::FetchResponse& head, const grpc::Slice& rows) {
  std::string prefix;
  head.AppendToString(&prefix);
  const size_t head_bytes = prefix.size();
  const auto rows_bytes = static_cast<uint32_t>(rows.size());
  prefix.resize(head_bytes + CodedOutputStream::VarintSize32(kRowsTag) +
                CodedOutputStream::VarintSize32(rows_bytes));
  auto* out = reinterpret_cast<uint8_t*>(prefix.data()) + head_bytes;
  out = CodedOutputStream::WriteVarint32ToArray(kRowsTag, out);
  CodedOutputStream::WriteVarint32ToArray(rows_bytes, out);
  const grpc::Slice slices[] = {grpc::Slice(prefix), rows};
  return grpc::ByteBuffer(slices, 2);
}

absl::Status DecodeFetchResponse(grpc::ByteBuffer* message, absl::Span<std::byte> rows,
                                 absl::Span<std::byte> tiers, v1::FetchResponse* head) {
  grpc::ProtoBufferReader reader(message);
  if (!reader.status().ok()) {
    return absl::InternalError(
        absl::StrCat("unreadable answer: ", reader.status().error_message()));
  }
  CodedInputStream in(&reader);
  in.SetTotalBytesLimit(std::numeric_limits<int>::max());
  bool rows_seen = rows.empty();
  bool tiers_seen = tiers.empty();
  std::string rest;  // all other fields, as they came: protobuf parses them
  {
    google::protobuf::io::StringOutputStream rest_stream(&rest);
    CodedOutputStream rest_out(&rest_stream);
    while (const uint32_t tag = in.ReadTag()) {
      absl::Status status;
      if (tag == kRowsTag) {
        status = ReadBytes("rows", rows, &in);
        rows_seen = true;
      } else if (tag == kTiersTag) {
        status = ReadBytes("tiers", tiers, &in);
        tiers_seen = true;
      } else if (!Wire::SkipField(&in, tag, &rest_out)) {
        status = absl::InternalError(absl::StrCat("malformed answer: bad field, tag ", tag));
      }
      if (!status.ok()) {
        return status;
      }
    }
  }
  if (!in.ConsumedEntireMessage() || !head->ParseFromString(rest)) {
    return absl::InternalError("malformed answer: it does not parse as a FetchResponse");
  }
  if (!head->has_error() && !(rows_seen && tiers_seen)) {
    return absl::InternalError(
        absl::StrCat("the answer lacks its field ", rows_seen ? "tiers" : "rows"));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> TicketOf(grpc::ByteBuffer* message) {
  grpc::ProtoBufferReader reader(message);
  if (!reader.status().ok()) {
    return absl::InternalError(
        absl::StrCat("unreadable answer: ", reader.status().error_message()));
  }
  CodedInputStream in(&reader);
  in.SetTotalBytesLimit(std::numeric_limits<int>::max());
  uint64_t ticket = 0;
  while (const uint32_t tag = in.ReadTag()) {
    if (tag == kTicketTag && in.ReadVarint64(&ticket)) {
      return ticket;
    }
    if (tag == kTicketTag || !Wire::SkipField(&in, tag)) {
      return absl::InternalError(absl::StrCat("malformed answer: bad field, tag ", tag));
    }
  }
  if (!in.ConsumedEntireMessage()) {
    return absl::InternalError("malformed answer: it does not parse as a FetchResponse");
  }
  return ticket;
}

}  // namespace engram::wire
