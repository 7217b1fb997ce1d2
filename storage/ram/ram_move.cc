#include "storage/ram/ram_move.h"

#include <algorithm>
#include <utility>

namespace engram::storage {
namespace {

// Of the budget, which may be smaller than some pieces.
constexpr uint64_t kPiecesOfBudget = 64;

}  // namespace

RamMove::RamMove(RamShares* shares, std::vector<RamShares::Target> targets)
    : shares_(shares), targets_(std::move(targets)) {
  shares_->SetStrict(true);
  shares_->SetTargets(targets_);
  bytes_to_move_ = shares_->Shed(0);
}

RamMove::~RamMove() { shares_->SetStrict(false); }

bool RamMove::Step(absl::Time now) {
  const uint64_t piece =
      std::min(kPieceBytes, shares_->budget()->limit_bytes() / kPiecesOfBudget + 1);
  const uint64_t left = shares_->Shed(piece);
  const uint64_t moved = bytes_to_move_ - std::min(bytes_to_move_, left);
  if (moved != bytes_moved_ || last_progress_ == absl::InfinitePast()) last_progress_ = now;
  bytes_moved_ = moved;
  return left > 0 && now - last_progress_ < kPatience;
}

void RamMove::Cancel() {
  for (RamShares::Target& target : targets_) target.bytes = target.share->held_bytes();
  shares_->SetTargets(targets_);
}

}  // namespace engram::storage
