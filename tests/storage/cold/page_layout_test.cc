#include "storage/cold/page_layout.h"

#include <gtest/gtest.h>

#include "tests/storage/cold/cold_testing.h"

namespace engram::storage {
namespace {

TEST(PageLayoutTest, RowsOfDeepSeekAndQwen) {
  EXPECT_EQ(PageLayout(OpaqueSpec(1000, 264)).rows_per_page, 15U);
  EXPECT_EQ(PageLayout(OpaqueSpec(1000, 160)).rows_per_page, 25U);
}

TEST(PageLayoutTest, PagesCoverAllRowsOnce) {
  for (const uint32_t row_bytes : {1U, 7U, 264U, 2033U, 2034U, 4067U, 4068U, 65536U}) {
    for (const uint64_t rows : {1U, 14U, 15U, 16U, 30U, 1000U}) {
      const PageLayout layout(OpaqueSpec(rows, row_bytes));
      uint64_t next = 0;
      for (uint64_t page = 0; page < layout.page_count(); ++page) {
        EXPECT_EQ(layout.first_row(page), next);
        EXPECT_GE(layout.rows_in(page), 1U);
        EXPECT_LE(layout.rows_in(page), layout.rows_per_page);
        next += layout.rows_in(page);
        EXPECT_EQ(layout.page_of(static_cast<RowId>(next - 1)), page);
      }
      EXPECT_EQ(next, rows);
    }
  }
}

TEST(PageLayoutTest, SmallRowsTakeOneBlockAPage) {
  for (uint32_t row_bytes = 1; row_bytes <= PageLayout::kMaxSmallValue; ++row_bytes) {
    ASSERT_EQ(PageLayout(OpaqueSpec(1, row_bytes)).page_file_bytes(), PageLayout::kBlockBytes)
        << row_bytes;
  }
  EXPECT_EQ(PageLayout(OpaqueSpec(1, PageLayout::kMaxSmallValue + 1)).page_file_bytes(),
            2 * PageLayout::kBlockBytes);
}

TEST(PageLayoutTest, KeysSortAsPages) {
  const uint64_t pages[] = {0, 1, 255, 256, 65535, 65536, 1 << 24, 0xFFFFFFFF};
  PageKey previous = {};
  for (const uint64_t page : pages) {
    const PageKey key = EncodePageKey(page);
    EXPECT_EQ(DecodePageKey(key.data()), page);
    if (page > 0) {
      EXPECT_LT(std::string_view(previous.data(), previous.size()),
                std::string_view(key.data(), key.size()));
    }
    previous = key;
  }
}

}  // namespace
}  // namespace engram::storage
