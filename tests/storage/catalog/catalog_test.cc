#include "storage/catalog/catalog.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/storage/cold/cold_testing.h"
#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

using testing::ElementsAre;

constexpr auto kPrecondition = absl::StatusCode::kFailedPrecondition;

TableInfo Info(const std::string& name, bool published, uint8_t digest = 0) {
  TableInfo info;
  info.identity.name = name;
  info.identity.digest.bytes.fill(digest);
  info.spec = OpaqueSpec(100, 264);
  info.published = published;
  info.imported_unix_seconds = 1789000000;
  info.source = "/models/" + name;
  return info;
}

class CatalogTest : public testing::Test {
 protected:
  CatalogTest() : engine_(*NewReadEngine({.kind = ReadEngineOptions::Kind::kPread})) { Reopen(); }
  void TearDown() override {
    catalog_.reset();
    database_.reset();  // RocksDB works in the background
    std::filesystem::remove_all(dir_);
  }

  // As after a crash: nothing but what is on the disk.
  void Reopen() {
    catalog_.reset();
    database_.reset();
    database_ = *OpenDatabase(dir_, engine_.get(), {});
    auto catalog = Catalog::Load(database_.get());
    ASSERT_TRUE(catalog.ok()) << catalog.status();
    catalog_ = *std::move(catalog);
  }

  uint64_t Add(const std::string& name, bool published) {
    const auto entries = catalog_->Add({{*catalog_->ReserveUid(), Info(name, published)}});
    EXPECT_TRUE(entries.ok()) << entries.status();
    EXPECT_EQ(entries->front().info.published, published);
    return entries->front().info.identity.version;
  }

  // "name version uid", with a star if it is published.
  std::vector<std::string> Listed() const {
    std::vector<std::string> lines;
    for (const CatalogEntry& entry : catalog_->List()) {
      const TableIdentity& identity = entry.info.identity;
      lines.push_back(identity.name + " " + std::to_string(identity.version) + " " +
                      std::to_string(entry.uid) + (entry.info.published ? "*" : ""));
    }
    return lines;
  }

  const std::string dir_ = TestDir();
  const std::unique_ptr<ReadEngine> engine_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Catalog> catalog_;
};

TEST_F(CatalogTest, EverythingIsKept) {
  const auto entries = catalog_->Add({{*catalog_->ReserveUid(), Info("t", true, 0xAB)}});
  ASSERT_TRUE(entries.ok()) << entries.status();
  const CatalogEntry& added = entries->front();
  Reopen();
  ASSERT_EQ(catalog_->List().size(), 1U);
  const CatalogEntry entry = catalog_->List().front();
  EXPECT_EQ(entry.uid, added.uid);
  EXPECT_TRUE(entry.info.identity == added.info.identity);
  EXPECT_TRUE(entry.info.spec == OpaqueSpec(100, 264));
  EXPECT_TRUE(entry.info.published);
  EXPECT_EQ(entry.info.imported_unix_seconds, 1789000000);
  EXPECT_EQ(entry.info.source, "/models/t");
}

TEST_F(CatalogTest, ListsByNameAndVersion) {
  Add("b", true);
  Add("a/layer1", false);
  Add("b", false);
  Add("a/layer1", true);
  const auto lines = ElementsAre("a/layer1 1 2", "a/layer1 2 4*", "b 1 1*", "b 2 3");
  EXPECT_THAT(Listed(), lines);
  Reopen();
  EXPECT_THAT(Listed(), lines);
}

TEST_F(CatalogTest, SeveralTablesAreAddedAtOnce) {
  Add("b", true);
  const auto entries = catalog_->Add(
      {{*catalog_->ReserveUid(), Info("a", true)}, {*catalog_->ReserveUid(), Info("b", true)}});
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ((*entries)[0].info.identity.version, 1U);
  EXPECT_EQ((*entries)[1].info.identity.version, 2U);
  const auto lines = ElementsAre("a 1 2*", "b 1 1", "b 2 3*");
  EXPECT_THAT(Listed(), lines);
  Reopen();
  EXPECT_THAT(Listed(), lines);
}

// The log may be lost, or damaged: what was acknowledged is not in it alone.
TEST_F(CatalogTest, TheLogIsNotNeeded) {
  Add("t", true);
  Add("t", true);
  const auto lines = Listed();
  catalog_.reset();
  database_.reset();
  int removed = 0;
  for (const auto& file : std::filesystem::directory_iterator(dir_)) {
    if (file.path().extension() == ".log") {
      std::filesystem::remove(file.path());
      ++removed;
    }
  }
  EXPECT_GT(removed, 0);
  Reopen();
  EXPECT_EQ(Listed(), lines);
}

TEST_F(CatalogTest, UidsAreNeverUsedTwice) {
  EXPECT_EQ(*catalog_->ReserveUid(), 1U);
  Reopen();  // an import that was interrupted before Add
  EXPECT_EQ(*catalog_->ReserveUid(), 2U);
  Reopen();
  Add("t", true);
  EXPECT_THAT(Listed(), ElementsAre("t 1 3*"));
}

TEST_F(CatalogTest, PublishesForwardAndBack) {
  Add("t", true);
  Add("t", false);
  EXPECT_THAT(Listed(), ElementsAre("t 1 1*", "t 2 2"));
  const auto entry = catalog_->Publish("t", 2);
  ASSERT_TRUE(entry.ok()) << entry.status();
  EXPECT_TRUE(entry->info.published);
  Reopen();
  EXPECT_THAT(Listed(), ElementsAre("t 1 1", "t 2 2*"));
  EXPECT_TRUE(catalog_->Publish("t", 1).ok());
  EXPECT_TRUE(catalog_->Publish("t", 1).ok());
  Reopen();
  EXPECT_THAT(Listed(), ElementsAre("t 1 1*", "t 2 2"));
}

TEST_F(CatalogTest, VersionsAreNotUsedAgain) {
  Add("t", true);
  EXPECT_EQ(Add("t", false), 2U);
  EXPECT_TRUE(catalog_->Remove("t", 2).ok());
  EXPECT_EQ(Add("t", true), 3U);
  const auto removed = catalog_->Remove("t", 0);
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(removed->size(), 2U);
  EXPECT_THAT(Listed(), ElementsAre());
  Reopen();
  EXPECT_THAT(Listed(), ElementsAre());
  EXPECT_EQ(Add("t", false), 4U);
}

TEST_F(CatalogTest, APublishedVersionGoesLast) {
  Add("t", true);
  Add("t", true);
  EXPECT_THAT(catalog_->Remove("t", 2),
              IsError(kPrecondition, "version 2 of table \"t\" is published: publish another"));
  EXPECT_TRUE(catalog_->Remove("t", 1).ok());
  EXPECT_TRUE(catalog_->Remove("t", 2).ok());
  EXPECT_THAT(Listed(), ElementsAre());
}

TEST_F(CatalogTest, WhatIsNotThereIsNotFound) {
  EXPECT_THAT(catalog_->Publish("t", 1), IsError(kNotFound, "no table named \"t\""));
  EXPECT_THAT(catalog_->Remove("t", 0), IsError(kNotFound, "no table named \"t\""));
  Add("t", true);
  EXPECT_THAT(catalog_->Publish("t", 2), IsError(kNotFound, "table \"t\" has no version 2"));
  EXPECT_THAT(catalog_->Publish("t", 0), IsError(kNotFound, "table \"t\" has no version 0"));
  EXPECT_THAT(catalog_->Remove("t", 2), IsError(kNotFound, "table \"t\" has no version 2"));
  EXPECT_TRUE(catalog_->Remove("t", 0).ok());
  EXPECT_THAT(catalog_->Remove("t", 0), IsError(kNotFound, "no table named \"t\""));
  EXPECT_THAT(Listed(), ElementsAre());
}

TEST_F(CatalogTest, DamagedRecordsAreDataLoss) {
  Add("t/layer1", true);
  const auto records = *database_->ReadCatalog("");
  const std::string record = records.back().second;
  const auto load_with = [&](const std::string& key, const std::string& value) {
    const CatalogWrite write{key, value};
    EXPECT_TRUE(database_->WriteCatalog({&write, 1}).ok());
    absl::Status status = Catalog::Load(database_.get()).status();
    const CatalogWrite erase{key, std::nullopt};
    EXPECT_TRUE(database_->WriteCatalog({&erase, 1}).ok());
    for (const auto& [old_key, old_value] : records) {
      const CatalogWrite restore{old_key, old_value};
      EXPECT_TRUE(database_->WriteCatalog({&restore, 1}).ok());
    }
    return status;
  };
  EXPECT_THAT(load_with("table/t/layer1", record.substr(1)),
              IsError(kDataLoss, "record of table \"t/layer1\" is damaged"));
  EXPECT_THAT(load_with("table/u", record), IsError(kDataLoss, "table \"u\" is damaged: uid 1"));
  EXPECT_THAT(load_with("next_uid", "x"), IsError(kDataLoss, "next_uid is damaged: x"));
  EXPECT_THAT(load_with("next_uid", "1"), IsError(kDataLoss, "next_uid is damaged: 1"));
  EXPECT_THAT(load_with("tabel/u", record),
              IsError(kDataLoss, "unknown catalog record \"tabel/u\""));
  EXPECT_TRUE(Catalog::Load(database_.get()).ok());
}

}  // namespace
}  // namespace engram::storage
