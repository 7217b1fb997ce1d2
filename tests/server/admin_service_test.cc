// The control plane through a real daemon.
#include "server/admin_service.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/server_testing.h"

namespace engram::server {
namespace {

using grpc::StatusCode;

class AdminServiceTest : public ServerTest {
 protected:
  v1::ImportRequest ModelRequest() const {
    v1::ImportRequest request;
    request.set_path(dir_ + "/checkpoint");
    request.set_name(kModel);
    return request;
  }

  // All messages of an import, and how it ended.
  std::vector<v1::ImportProgress> Import(const v1::ImportRequest& request, grpc::Status* status) {
    grpc::ClientContext context;
    const auto reader = admin_->Import(&context, request);
    std::vector<v1::ImportProgress> messages;
    v1::ImportProgress progress;
    while (reader->Read(&progress)) {
      messages.push_back(progress);
    }
    *status = reader->Finish();
    return messages;
  }

  grpc::Status ImportStatus(const v1::ImportRequest& request) {
    grpc::Status status;
    Import(request, &status);
    return status;
  }

  std::vector<v1::VerifyProgress> Verify(const std::string& name, grpc::Status* status) {
    v1::VerifyRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    const auto reader = admin_->Verify(&context, request);
    std::vector<v1::VerifyProgress> messages;
    v1::VerifyProgress progress;
    while (reader->Read(&progress)) {
      messages.push_back(progress);
    }
    *status = reader->Finish();
    return messages;
  }

  v1::ListTablesResponse ListTables() {
    v1::ListTablesResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(admin_->ListTables(&context, {}, &response).ok());
    return response;
  }

  v1::GetStatsResponse Stats(const std::string& name, grpc::Status* status) {
    v1::GetStatsRequest request;
    request.set_name(name);
    v1::GetStatsResponse response;
    grpc::ClientContext context;
    *status = admin_->GetStats(&context, request, &response);
    return response;
  }

  grpc::Status Publish(uint64_t version) {
    v1::PublishRequest request;
    request.set_name(kTable);
    request.set_version(version);
    v1::PublishResponse response;
    grpc::ClientContext context;
    return admin_->Publish(&context, request, &response);
  }

  grpc::Status Drop(const std::string& name, uint64_t version) {
    v1::DropRequest request;
    request.set_name(name);
    request.set_version(version);
    v1::DropResponse response;
    grpc::ClientContext context;
    return admin_->Drop(&context, request, &response);
  }
};

TEST_F(AdminServiceTest, ImportTellsEachTableOnceAndListTablesShowsIt) {
  StartServer();
  grpc::Status status;
  std::vector<v1::TableInfo> imported;
  for (const v1::ImportProgress& progress : Import(ModelRequest(), &status)) {
    EXPECT_LE(progress.rows_done(), progress.rows_total());
    if (progress.has_imported()) {
      imported.push_back(progress.imported());
      EXPECT_EQ(progress.rows_done(), progress.rows_total());
    }
  }
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(imported.size(), 2);
  const v1::ListTablesResponse listed = ListTables();
  ASSERT_EQ(listed.tables_size(), 2);
  EXPECT_EQ(listed.tables(0).identity().name(), "model/layer1");
  EXPECT_EQ(listed.tables(1).identity().name(), "model/layer14");
  EXPECT_EQ(listed.tables(0).identity().digest(), imported[0].identity().digest());
  EXPECT_TRUE(listed.tables(0).published());
  EXPECT_GT(listed.tables(0).disk_bytes(), checkpoint_.tables[0].rows * 264);
  EXPECT_GT(listed.tables(0).imported_unix_seconds(), 0);
  EXPECT_THAT(listed.tables(0).source(), testing::HasSubstr("layers.1.engram.embed.weight"));
}

TEST_F(AdminServiceTest, ImportRefusesWhatItCannotImport) {
  StartServer();
  v1::ImportRequest request = ModelRequest();
  request.set_path("relative/path");
  EXPECT_THAT(ImportStatus(request), IsStatus(StatusCode::INVALID_ARGUMENT, "relative/path"));
  request.set_path(dir_ + "/none");
  EXPECT_THAT(ImportStatus(request), IsStatus(StatusCode::NOT_FOUND, dir_ + "/none"));
  request = ModelRequest();
  request.set_name("../model");
  EXPECT_THAT(ImportStatus(request), IsStatus(StatusCode::INVALID_ARGUMENT, "../model"));
  request = ModelRequest();
  request.set_layer(3);
  EXPECT_THAT(ImportStatus(request), IsStatus(StatusCode::NOT_FOUND, "3"));
  request = ModelRequest();
  request.set_tensor("no.such.tensor");
  EXPECT_THAT(ImportStatus(request), IsStatus(StatusCode::NOT_FOUND, "no.such.tensor"));
  std::ofstream(dir_ + "/broken.safetensors") << "not a header";
  request.set_path(dir_ + "/broken.safetensors");
  EXPECT_THAT(ImportStatus(request), IsStatus(StatusCode::INVALID_ARGUMENT, "broken.safetensors"));
  EXPECT_EQ(ListTables().tables_size(), 0);
}

TEST_F(AdminServiceTest, VersionsAreStagedPublishedRolledBackAndDropped) {
  StartServer();
  v1::ImportRequest request = ModelRequest();
  request.set_layer(1);
  ASSERT_TRUE(ImportStatus(request).ok());
  request.set_stage_only(true);
  ASSERT_TRUE(ImportStatus(request).ok());
  EXPECT_EQ(OpenTable(kTable).identity().version(), 1);
  EXPECT_TRUE(Publish(2).ok());
  EXPECT_EQ(OpenTable(kTable).identity().version(), 2);
  EXPECT_THAT(Drop(kTable, 2), IsStatus(StatusCode::FAILED_PRECONDITION, "published"));
  EXPECT_TRUE(Publish(1).ok());
  EXPECT_EQ(OpenTable(kTable).identity().version(), 1);
  EXPECT_THAT(Publish(3), IsStatus(StatusCode::NOT_FOUND, "3"));
  EXPECT_TRUE(Drop(kTable, 2).ok());
  EXPECT_THAT(Drop(kTable, 2), IsStatus(StatusCode::NOT_FOUND, "2"));
  EXPECT_TRUE(Drop(kTable, 0).ok());
  EXPECT_EQ(ListTables().tables_size(), 0);
  EXPECT_THAT(Drop(kTable, 0), IsStatus(StatusCode::NOT_FOUND, kTable));
}

TEST_F(AdminServiceTest, StatsCountFetchesByTier) {
  StartServer();
  ImportModel();
  grpc::Status status;
  const auto ids = Ids(10);
  Fetch(RequestFor(ids), &status);
  Fetch(RequestFor(ids), &status);
  Fetch(RequestFor({1}), &status);
  const v1::GetStatsResponse stats = Stats(kTable, &status);
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(stats.server().version(), ENGRAM_VERSION);
  EXPECT_EQ(stats.server().ram_budget_bytes(), 1 << 20);
  EXPECT_GT(stats.server().ram_used_bytes(), 0);
  EXPECT_LE(stats.server().ram_used_bytes(), 1 << 20);
  EXPECT_FALSE(stats.server().read_engine().empty());
  ASSERT_EQ(stats.tables_size(), 1);
  const v1::TableStats& table = stats.tables(0);
  EXPECT_EQ(table.fetches(), 2);
  EXPECT_EQ(table.fetch_errors(), 1);
  EXPECT_EQ(table.groups(), 20);
  ASSERT_EQ(table.tiers_size(), 3);
  EXPECT_EQ(table.tiers(0).tier(), v1::TIER_RAM);
  EXPECT_EQ(table.tiers(0).hits(), 10);
  EXPECT_EQ(table.tiers(0).rows(), 80);
  EXPECT_EQ(table.tiers(1).tier(), v1::TIER_WARM);
  EXPECT_EQ(table.tiers(1).hits(), 0);
  EXPECT_EQ(table.tiers(2).tier(), v1::TIER_COLD);
  EXPECT_EQ(table.tiers(2).hits(), 10);
  EXPECT_GT(table.tiers(2).reads(), 0);
  EXPECT_GE(table.tiers(2).bytes_read(), table.tiers(2).bytes_used());
  EXPECT_EQ(table.fetch_latency().count(), 2);

  EXPECT_EQ(Stats("", &status).tables_size(), 2);
  Stats("no/such", &status);
  EXPECT_THAT(status, IsStatus(StatusCode::NOT_FOUND, "no/such"));
}

TEST_F(AdminServiceTest, VerifyReadsEveryRow) {
  StartServer();
  ImportModel();
  grpc::Status status;
  const auto messages = Verify(kTable, &status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_FALSE(messages.empty());
  EXPECT_TRUE(messages.back().done());
  EXPECT_EQ(messages.back().rows_done(), checkpoint_.tables[0].rows);
  Verify("no/such", &status);
  EXPECT_THAT(status, IsStatus(StatusCode::NOT_FOUND, "no/such"));
}

TEST_F(AdminServiceTest, VerifyFindsADamagedByte) {
  StartServer();
  ImportModel();
  for (const auto& entry : std::filesystem::directory_iterator(dir_ + "/data/db")) {
    if (entry.path().extension() == ".sst" && entry.file_size() > (64 << 10)) {
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(12345);
      file.put('\x5a');
    }
  }
  grpc::Status status;
  Verify(kTable, &status);
  EXPECT_THAT(status, IsStatus(StatusCode::DATA_LOSS, "row "));
}

TEST_F(AdminServiceTest, RebalancingNeedsTraffic) {
  StartServer();
  ImportModel();
  for (const bool dry_run : {true, false}) {
    v1::RebalanceRequest request;
    request.set_dry_run(dry_run);
    grpc::ClientContext context;
    const auto reader = admin_->Rebalance(&context, request);
    v1::RebalanceProgress progress;
    EXPECT_FALSE(reader->Read(&progress));
    EXPECT_THAT(reader->Finish(), IsStatus(StatusCode::FAILED_PRECONDITION, "too little traffic"));
  }
}

TEST_F(AdminServiceTest, AnImportThatItsCallerClosesIsWholeOrNotThere) {
  StartServer();
  for (int i = 0; i < 10; ++i) {
    grpc::ClientContext context;
    const auto reader = admin_->Import(&context, ModelRequest());
    context.TryCancel();
    const grpc::Status status = reader->Finish();
    EXPECT_THAT(status, IsStatus(StatusCode::CANCELLED, ""));
  }
  // What was complete before the cancellation reached it may be there; it is whole then.
  const v1::ListTablesResponse listed = ListTables();
  for (const v1::TableInfo& table : listed.tables()) {
    grpc::Status status;
    Verify(table.identity().name(), &status);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
}

}  // namespace
}  // namespace engram::server
