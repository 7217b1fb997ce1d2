#include "storage/hot/hot_set_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace engram::storage {
namespace {

constexpr char kMagic[] = {'E', 'N', 'G', 'R', 'H', 'O', 'T', '\n'};
// Far more than any model of uses has learned.
constexpr uint32_t kMaxKnowledge = 1 << 20;
constexpr size_t kReadBytes = size_t{1} << 20;

struct Header {
  char magic[sizeof(kMagic)];
  uint32_t version;
  uint32_t group_size;
  uint64_t uid;
  uint8_t digest[sizeof(Digest::bytes)];
  uint32_t knowledge;  // numbers of it
  uint8_t reserved[20];
};
static_assert(sizeof(Header) == 64);

constexpr uint32_t kFirstVersionWithFlags = 2;
constexpr uint8_t kPinnedFlag = 1;

// Behind a group's row ids.
struct StoredPast {
  uint32_t age;
  uint8_t uses;
  uint8_t gap;
  uint8_t flags;
  uint8_t reserved;
};
static_assert(sizeof(StoredPast) == 8);

struct Footer {
  uint64_t groups;
  uint8_t checksum[sizeof(Digest::bytes)];  // of all before it
};
static_assert(sizeof(Footer) == 24);

size_t RecordBytes(uint32_t group_size) { return group_size * sizeof(RowId) + sizeof(StoredPast); }

template <typename T>
absl::Span<const std::byte> BytesOf(const T& value) {
  return {reinterpret_cast<const std::byte*>(&value), sizeof(value)};
}

template <typename T>
absl::Span<std::byte> BytesOf(T& value) {
  return {reinterpret_cast<std::byte*>(&value), sizeof(value)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<HotSetWriter>> HotSetWriter::Create(
    const std::string& path, const HotSetTable& table, absl::Span<const float> knowledge,
    FileCalls calls) {
  auto file = ReplacedFile::Create(path, std::move(calls));
  if (!file.ok()) return file.status();
  auto writer = absl::WrapUnique(new HotSetWriter(*std::move(file), table.group_size));
  Header header = {};
  header.version = kHotSetVersion;
  header.group_size = table.group_size;
  header.uid = table.uid;
  header.knowledge = static_cast<uint32_t>(knowledge.size());
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  std::memcpy(header.digest, table.digest.bytes.data(), sizeof(header.digest));
  absl::Status status = writer->Write(BytesOf(std::as_const(header)));
  status.Update(writer->Write(
      {reinterpret_cast<const std::byte*>(knowledge.data()), knowledge.size() * sizeof(float)}));
  if (!status.ok()) return status;
  return writer;
}

absl::Status HotSetWriter::Write(absl::Span<const std::byte> bytes) {
  checksum_.Update(bytes);
  return file_->Append(bytes);
}

absl::Status HotSetWriter::Append(const KnownGroups& groups) {
  const size_t id_bytes = group_size_ * sizeof(RowId);
  std::vector<std::byte> records(groups.size() * RecordBytes(group_size_));
  std::byte* record = records.data();
  for (size_t i = 0; i < groups.size(); ++i) {
    const GroupPast& past = groups.pasts[i];
    const StoredPast stored = {.age = past.age,
                               .uses = past.uses,
                               .gap = past.gap,
                               .flags = past.pinned ? kPinnedFlag : uint8_t{0},
                               .reserved = 0};
    std::memcpy(record, groups.row_ids.data() + i * group_size_, id_bytes);
    std::memcpy(record + id_bytes, &stored, sizeof(stored));
    record += RecordBytes(group_size_);
  }
  groups_ += groups.size();
  return Write(records);
}

absl::Status HotSetWriter::Commit() {
  absl::Status status = Write(BytesOf(std::as_const(groups_)));
  const Digest checksum = checksum_.Finish();
  status.Update(file_->Append(absl::MakeConstSpan(
      reinterpret_cast<const std::byte*>(checksum.bytes.data()), checksum.bytes.size())));
  if (status.ok()) status = file_->Commit();
  return status;
}

absl::Status HotSetReader::Damaged(absl::string_view what) const {
  return absl::DataLossError(absl::StrCat(path_, " ", what));
}

bool HotSetReader::Read(absl::Span<std::byte> out) {
  in_.read(reinterpret_cast<char*>(out.data()), static_cast<std::streamsize>(out.size()));
  return in_.good();
}

absl::StatusOr<std::unique_ptr<HotSetReader>> HotSetReader::Open(const std::string& path,
                                                                 const HotSetTable& table) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) {
    return absl::NotFoundError(absl::StrCat("there is no ", path));
  }
  auto reader = absl::WrapUnique(new HotSetReader(path, table));
  if (!reader->in_) return absl::DataLossError(absl::StrCat("cannot open ", path));
  absl::Status status = reader->CheckHeader();
  if (status.ok()) status = reader->CheckContent();
  if (!status.ok()) return status;
  return reader;
}

absl::Status HotSetReader::CheckHeader() {
  Header header;
  if (!Read(BytesOf(header)) || std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0) {
    return Damaged("is no hot set");
  }
  if (header.version > kHotSetVersion) {
    return absl::FailedPreconditionError(absl::StrCat(path_, " has format version ", header.version,
                                                      ", and this program knows ", kHotSetVersion,
                                                      " at most"));
  }
  if (header.uid != table_.uid || header.group_size != table_.group_size ||
      std::memcmp(header.digest, table_.digest.bytes.data(), sizeof(header.digest)) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(path_, " is another table's"));
  }
  if (header.knowledge > kMaxKnowledge) return Damaged("is damaged");
  known_flags_ = header.version < kFirstVersionWithFlags ? 0 : kPinnedFlag;
  checksum_.Update(BytesOf(std::as_const(header)));
  knowledge_.resize(header.knowledge);
  const absl::Span<std::byte> knowledge(reinterpret_cast<std::byte*>(knowledge_.data()),
                                        knowledge_.size() * sizeof(float));
  if (!Read(knowledge)) return Damaged("is cut off");
  checksum_.Update(knowledge);
  return absl::OkStatus();
}

absl::Status HotSetReader::CheckContent() {
  begin_ = in_.tellg();
  in_.seekg(0, std::ios::end);
  const std::streamoff content = std::streamoff{in_.tellg()} - begin_ - sizeof(Footer);
  const auto record_bytes = static_cast<std::streamoff>(RecordBytes(table_.group_size));
  if (content < 0 || content % record_bytes != 0) return Damaged("is cut off");
  in_.seekg(begin_);
  std::vector<std::byte> buffer(kReadBytes);
  for (auto left = static_cast<size_t>(content); left > 0;) {
    const auto part = absl::MakeSpan(buffer).first(std::min(left, buffer.size()));
    if (!Read(part)) return Damaged("cannot be read");
    checksum_.Update(part);
    left -= part.size();
  }
  Footer footer;
  if (!Read(BytesOf(footer))) return Damaged("cannot be read");
  checksum_.Update(BytesOf(std::as_const(footer.groups)));
  const Digest checksum = checksum_.Finish();
  groups_ = static_cast<uint64_t>(content / record_bytes);
  if (std::memcmp(checksum.bytes.data(), footer.checksum, sizeof(footer.checksum)) != 0 ||
      footer.groups != groups_) {
    return Damaged("is damaged: its checksum is another");
  }
  Rewind();
  return absl::OkStatus();
}

void HotSetReader::Rewind() {
  in_.clear();  // of an error of Next
  left_ = groups_;
  in_.seekg(begin_);
}

absl::StatusOr<KnownGroups> HotSetReader::Next(size_t most) {
  const size_t count = std::min<uint64_t>(most, left_);
  const size_t id_bytes = table_.group_size * sizeof(RowId);
  std::vector<std::byte> records(count * RecordBytes(table_.group_size));
  if (!Read(absl::MakeSpan(records))) return Damaged("cannot be read");
  left_ -= count;
  KnownGroups groups;
  groups.row_ids.resize(count * table_.group_size);
  groups.pasts.resize(count);
  const std::byte* record = records.data();
  for (size_t i = 0; i < count; ++i) {
    StoredPast stored;
    std::memcpy(groups.row_ids.data() + i * table_.group_size, record, id_bytes);
    std::memcpy(&stored, record + id_bytes, sizeof(stored));
    groups.pasts[i] = {.age = stored.age,
                       .uses = stored.uses,
                       .gap = stored.gap,
                       .pinned = (stored.flags & known_flags_ & kPinnedFlag) != 0};
    record += RecordBytes(table_.group_size);
    if (stored.uses == 0) return Damaged("holds a group without uses");
  }
  const auto is_row = [this](RowId id) { return id < table_.rows; };
  if (!std::all_of(groups.row_ids.begin(), groups.row_ids.end(), is_row)) {
    return Damaged("names rows that the table does not have");
  }
  return groups;
}

}  // namespace engram::storage
