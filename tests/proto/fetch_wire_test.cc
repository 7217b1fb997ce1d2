#include "proto/fetch_wire.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/v1/engram.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engram::wire {
namespace {

using testing::HasSubstr;

MATCHER_P(HasTicket, ticket, "") { return arg.ok() && *arg == static_cast<uint64_t>(ticket); }

std::string Flatten(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// `bytes` in slices of `piece` bytes, as a transport may deliver them.
grpc::ByteBuffer Pieces(const std::string& bytes, size_t piece) {
  std::vector<grpc::Slice> slices;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    slices.emplace_back(bytes.substr(at, piece));
  }
  return {slices.data(), slices.size()};
}

std::string Text(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    text[i] = static_cast<char>(i * 7 + i / 256);
  }
  return text;
}

v1::FetchResponse Response(size_t rows, size_t tiers) {
  v1::FetchResponse response;
  response.set_rows(Text(rows));
  response.set_tiers(std::string(tiers, '\3'));
  response.set_ticket(uint64_t{1} << 63);
  return response;
}

struct Decoded {
  absl::Status status;
  std::string rows;
  std::string tiers;
  v1::FetchResponse head;
};

Decoded Decode(grpc::ByteBuffer message, size_t rows, size_t tiers) {
  Decoded decoded;
  decoded.rows.resize(rows);
  decoded.tiers.resize(tiers);
  const auto span = [](std::string& bytes) {
    return absl::MakeSpan(reinterpret_cast<std::byte*>(bytes.data()), bytes.size());
  };
  decoded.status =
      DecodeFetchResponse(&message, span(decoded.rows), span(decoded.tiers), &decoded.head);
  return decoded;
}

TEST(FetchWireTest, WhatIsEncodedParsesAsAFetchResponse) {
  for (const size_t size : {1, 127, 128, 264, 20000, 3 << 20}) {
    v1::FetchResponse head = Response(0, 5);
    head.clear_rows();
    const grpc::Slice rows(Text(size));
    v1::FetchResponse parsed;
    ASSERT_TRUE(parsed.ParseFromString(Flatten(EncodeFetchResponse(head, rows))));
    EXPECT_EQ(parsed.rows(), Text(size));
    EXPECT_EQ(parsed.tiers(), head.tiers());
    EXPECT_EQ(parsed.ticket(), head.ticket());
  }
}

TEST(FetchWireTest, EncodingDoesNotCopyTheRows) {
  const grpc::Slice rows(Text(5000));
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(EncodeFetchResponse(v1::FetchResponse(), rows).Dump(&slices).ok());
  EXPECT_EQ(slices.back().begin(), rows.begin());
}

TEST(FetchWireTest, DecodesWhatProtobufWroteHoweverItIsCut) {
  const v1::FetchResponse response = Response(5000, 20);
  for (const size_t piece : {1, 3, 64, 4096, 1 << 20}) {
    const Decoded decoded = Decode(Pieces(response.SerializeAsString(), piece), 5000, 20);
    ASSERT_TRUE(decoded.status.ok()) << decoded.status;
    EXPECT_EQ(decoded.rows, response.rows());
    EXPECT_EQ(decoded.tiers, response.tiers());
    EXPECT_EQ(decoded.head.ticket(), response.ticket());
    EXPECT_TRUE(decoded.head.rows().empty());
  }
}

TEST(FetchWireTest, SkipsWhatIsNotAskedFor) {
  const Decoded decoded = Decode(Pieces(Response(100, 20).SerializeAsString(), 7), 100, 0);
  EXPECT_TRUE(decoded.status.ok()) << decoded.status;
  EXPECT_EQ(decoded.rows, Text(100));
}

TEST(FetchWireTest, DecodesErrors) {
  v1::FetchResponse response;
  response.set_ticket(3);
  response.mutable_error()->set_code(5);
  response.mutable_error()->set_message("no table");
  const Decoded decoded = Decode(Pieces(response.SerializeAsString(), 4), 100, 2);
  ASSERT_TRUE(decoded.status.ok()) << decoded.status;
  EXPECT_EQ(decoded.head.error().code(), 5);
  EXPECT_EQ(decoded.head.error().message(), "no table");
}

TEST(FetchWireTest, RefusesFieldsOfAnotherSize) {
  const std::string bytes = Response(100, 20).SerializeAsString();
  for (const auto& [rows, tiers] : {std::pair{99, 20}, {101, 20}, {100, 19}, {100, 21}}) {
    const Decoded decoded =
        Decode(Pieces(bytes, 50), static_cast<size_t>(rows), static_cast<size_t>(tiers));
    EXPECT_EQ(decoded.status.code(), absl::StatusCode::kInternal) << rows << " " << tiers;
  }
}

TEST(FetchWireTest, RefusesAnswersThatLackAField) {
  v1::FetchResponse response = Response(100, 20);
  response.clear_rows();
  EXPECT_THAT(
      std::string(Decode(Pieces(response.SerializeAsString(), 9), 100, 20).status.message()),
      HasSubstr("rows"));
  response = Response(100, 20);
  response.clear_tiers();
  EXPECT_THAT(
      std::string(Decode(Pieces(response.SerializeAsString(), 9), 100, 20).status.message()),
      HasSubstr("tiers"));
}

TEST(FetchWireTest, RefusesEveryTruncation) {
  const std::string bytes = Response(300, 20).SerializeAsString();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Decoded decoded = Decode(Pieces(bytes.substr(0, size), 16), 300, 20);
    // The ticket comes last, and may be missing.
    if (size < 300 + 3 + 20 + 2) {
      EXPECT_EQ(decoded.status.code(), absl::StatusCode::kInternal) << size;
    }
  }
}

absl::StatusOr<uint64_t> TicketIn(const std::string& bytes, size_t piece) {
  grpc::ByteBuffer message = Pieces(bytes, piece);
  return TicketOf(&message);
}

TEST(FetchWireTest, TicketIsFoundWhereverItIsHoweverItIsCut) {
  v1::FetchResponse ticket;
  ticket.set_ticket(uint64_t{1} << 63);
  v1::FetchResponse rest = Response(5000, 20);
  rest.clear_ticket();
  v1::FetchResponse error;
  error.mutable_error()->set_code(5);
  error.mutable_error()->set_message("no table");
  for (const v1::FetchResponse* other : {&rest, &error}) {
    const std::string first = ticket.SerializeAsString() + other->SerializeAsString();
    const std::string last = other->SerializeAsString() + ticket.SerializeAsString();
    for (const size_t piece : {1, 3, 64, 4096, 1 << 20}) {
      EXPECT_THAT(TicketIn(first, piece), HasTicket(uint64_t{1} << 63)) << piece;
      EXPECT_THAT(TicketIn(last, piece), HasTicket(uint64_t{1} << 63)) << piece;
    }
  }
}

TEST(FetchWireTest, TicketOfWhatTheDaemonEncodes) {
  for (const uint64_t ticket : {uint64_t{1}, uint64_t{127}, uint64_t{128}, ~uint64_t{0}}) {
    v1::FetchResponse head;
    head.set_ticket(ticket);
    grpc::ByteBuffer message = EncodeFetchResponse(head, grpc::Slice(Text(3 << 20)));
    EXPECT_THAT(TicketOf(&message), HasTicket(ticket));
  }
}

TEST(FetchWireTest, TicketIsZeroWhereThereIsNone) {
  v1::FetchResponse response = Response(300, 20);
  response.clear_ticket();
  EXPECT_THAT(TicketIn(response.SerializeAsString(), 7), HasTicket(0));
  EXPECT_THAT(TicketIn("", 1), HasTicket(0));
  response.set_ticket(0);
  EXPECT_THAT(TicketIn(response.SerializeAsString() + std::string("\x18\0", 2), 7), HasTicket(0));
}

TEST(FetchWireTest, FieldsBeforeTheTicketAreSkippedWhateverTheyAre) {
  // Numbers 100 to 103 are of no FetchResponse, nor is 3 as bytes.
  const std::string unknown(
      "\xA0\x06\x7F\xA9\x06"
      "12345678\xB2\x06\x02"
      "ab\xBD\x06"
      "1234"
      "\x1A\x02"
      "\x18\x09",
      28);
  EXPECT_THAT(TicketIn(unknown + "\x18\x05", 2), HasTicket(5));
}

TEST(FetchWireTest, LooksNoFurtherThanTheTicket) {
  EXPECT_THAT(TicketIn("\x18\x05\xFF\xFF\xFF", 2), HasTicket(5));
  v1::FetchResponse head;
  head.set_ticket(5);
  const std::string bytes = Flatten(EncodeFetchResponse(head, grpc::Slice(Text(300))));
  EXPECT_THAT(TicketIn(bytes.substr(0, 10), 3), HasTicket(5));
}

TEST(FetchWireTest, TicketStaysInTheMessage) {
  v1::FetchResponse response = Response(300, 20);
  grpc::ByteBuffer message = Pieces(response.SerializeAsString(), 16);
  ASSERT_THAT(TicketOf(&message), HasTicket(response.ticket()));
  ASSERT_THAT(TicketOf(&message), HasTicket(response.ticket()));
  EXPECT_EQ(Flatten(message), response.SerializeAsString());
  const Decoded decoded = Decode(message, 300, 20);
  ASSERT_TRUE(decoded.status.ok()) << decoded.status;
  EXPECT_EQ(decoded.rows, response.rows());
}

TEST(FetchWireTest, NoTicketOfMalformedMessages) {
  const std::pair<const char*, std::string> cases[] = {
      {"a tag that does not end", "\xFF\xFF"},
      {"a tag over 32 bits", "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01\x01"},
      {"field 0", std::string("\0\0", 2)},
      {"field 0, and then a ticket", std::string("\0\x18\x05", 3)},
      {"no ticket behind its tag", "\x18"},
      {"a ticket that does not end", "\x18\xFF\xFF"},
      {"a ticket of eleven bytes", "\x18\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"},
      {"rows without a length", "\x0A"},
      {"rows cut short",
       "\x0A\x05"
       "abcd"},
      {"rows of 4 GiB",
       "\x0A\xFF\xFF\xFF\xFF\x0F"
       "abcd"},
      {"the end of a group", "\x0C\x18\x05"},
      {"a group without an end", "\x0B\x18\x05"},
      {"a wire type that there is not", "\x0E\x18\x05"},
  };
  for (const auto& [what, bytes] : cases) {
    for (const size_t piece : {1, 100}) {
      const absl::Status status = TicketIn(bytes, piece).status();
      EXPECT_TRUE(absl::IsInternal(status)) << what << ": " << status;
    }
  }
}

TEST(FetchWireTest, NoTicketOfTruncatedMessages) {
  const std::string bytes = Response(300, 20).SerializeAsString();  // its ticket comes last
  const size_t rows_end = 3 + 300;
  const size_t tiers_end = rows_end + 2 + 20;
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto ticket = TicketIn(bytes.substr(0, size), 16);
    if (size == 0 || size == rows_end || size == tiers_end) {
      EXPECT_THAT(ticket, HasTicket(0)) << size;
    } else {
      EXPECT_TRUE(absl::IsInternal(ticket.status())) << size;
    }
  }
}

// Whatever the bytes, decoding ends with OK or INTERNAL and writes nothing outside its outputs.
TEST(FetchWireTest, SurvivesDamagedMessages) {
  const std::string bytes = Response(300, 20).SerializeAsString();
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const char flip : {'\x01', '\x80', '\x7f', '\xff'}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      const absl::Status status = Decode(Pieces(damaged, 32), 300, 20).status;
      EXPECT_TRUE(status.ok() || absl::IsInternal(status)) << status;
      const absl::Status of_ticket = TicketIn(damaged, 32).status();
      EXPECT_TRUE(of_ticket.ok() || absl::IsInternal(of_ticket)) << of_ticket;
    }
  }
}

}  // namespace
}  // namespace engram::wire
