#include "storage/table_registry.h"

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/storage/import/model_files_testing.h"

namespace engram::storage {
namespace {

using testing::ElementsAre;

// A version without tiers: the registry does not look into it.
std::shared_ptr<TableVersion> Version(const std::string& name, uint64_t version) {
  TableInfo info;
  info.identity.name = name;
  info.identity.version = version;
  return std::make_shared<TableVersion>(std::move(info), nullptr, nullptr);
}

std::vector<std::string> Listed(const TableRegistry& registry) {
  std::vector<std::string> lines;
  for (const TableRegistry::Listed& listed : registry.List()) {
    const TableIdentity& identity = listed.table->identity();
    lines.push_back(identity.name + " " + std::to_string(identity.version) +
                    (listed.published ? "*" : ""));
  }
  return lines;
}

TEST(TableRegistryTest, FindsThePublishedVersionOrTheOneAskedFor) {
  TableRegistry registry;
  const auto first = Version("t", 1);
  const auto second = Version("t", 2);
  registry.Add(first, true);
  registry.Add(second, false);
  EXPECT_EQ(*registry.Find("t", 0), first);
  EXPECT_EQ(*registry.Find("t", 2), second);
  registry.Publish("t", 2);
  EXPECT_EQ(*registry.Find("t", 0), second);
  EXPECT_EQ(*registry.Find("t", 1), first);
  registry.Add(Version("t", 3), true);
  EXPECT_EQ((*registry.Find("t", 0))->identity().version, 3U);
}

TEST(TableRegistryTest, ListsByNameAndVersion) {
  TableRegistry registry;
  EXPECT_THAT(Listed(registry), ElementsAre());
  registry.Add(Version("t", 10), true);
  registry.Add(Version("t", 9), false);
  registry.Add(Version("a/layer1", 2), false);
  registry.Add(Version("z", 1), true);
  EXPECT_THAT(Listed(registry), ElementsAre("a/layer1 2", "t 9", "t 10*", "z 1*"));
}

TEST(TableRegistryTest, MessagesSayWhatThereIs) {
  TableRegistry registry;
  EXPECT_THAT(registry.Find("t", 0), IsError(kNotFound, "no table named \"t\""));
  registry.Add(Version("t", 3), false);
  registry.Add(Version("t", 5), false);
  EXPECT_THAT(registry.Find("t", 0),
              IsError(kNotFound, "table \"t\" has no published version (staged: 3, 5)"));
  EXPECT_THAT(registry.Find("t", 4),
              IsError(kNotFound, "has no version 4 (it may have been dropped; there: 3, 5)"));
}

TEST(TableRegistryTest, RemovedIsGoneButLives) {
  TableRegistry registry;
  registry.Add(Version("t", 1), true);
  registry.Add(Version("t", 2), false);
  EXPECT_EQ(registry.Remove("t", 3), nullptr);
  EXPECT_EQ(registry.Remove("u", 1), nullptr);
  const auto removed = registry.Remove("t", 1);
  ASSERT_NE(removed, nullptr);
  EXPECT_EQ(removed->identity().version, 1U);
  EXPECT_EQ(removed.use_count(), 1);
  EXPECT_FALSE(registry.Find("t", 0).ok());
  EXPECT_THAT(Listed(registry), ElementsAre("t 2"));
  EXPECT_NE(registry.Remove("t", 2), nullptr);
  EXPECT_THAT(registry.Find("t", 2), IsError(kNotFound, "no table named"));
}

}  // namespace
}  // namespace engram::storage
