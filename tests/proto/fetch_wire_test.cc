#include "proto/fetch_wire.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "engram/v1/engram.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace engram::wire {
namespace {

using testing::HasSubstr;

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

// Whatever the bytes, decoding ends with OK or INTERNAL and writes nothing outside its outputs.
TEST(FetchWireTest, SurvivesDamagedMessages) {
  const std::string bytes = Response(300, 20).SerializeAsString();
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const char flip : {'\x01', '\x80', '\x7f', '\xff'}) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ flip);
      const absl::Status status = Decode(Pieces(damaged, 32), 300, 20).status;
      EXPECT_TRUE(status.ok() || absl::IsInternal(status)) << status;
    }
  }
}

}  // namespace
}  // namespace engram::wire
