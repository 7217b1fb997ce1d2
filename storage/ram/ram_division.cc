#include "storage/ram/ram_division.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "storage/placement/policy_curve.h"
#include "storage/placement/share_planner.h"
#include "storage/placement/stall_model.h"

namespace engram::storage {
namespace {

// Of the budget, at each step.
constexpr double kStepPart = 0.03;

// A table that takes part.
struct Member {
  const BalancedTable* table;
  RamShares::State state;
  RamShareShape shape;
  StallModel model;

  bool known() const {
    return table->usage.sampled_uses >= kLeastSampledUses && !table->usage.hit_ratios.empty();
  }
  double HitRatio(double bytes) const {
    const double groups =
        std::max(0.0, bytes - static_cast<double>(shape.overhead_bytes)) / shape.bytes_per_group;
    return InterpolateHitRatio(table->usage.hit_ratios, groups);
  }
};

std::vector<Member> MembersOf(const RamShares& shares, absl::Span<const BalancedTable> tables) {
  std::vector<Member> members;
  for (const BalancedTable& table : tables) {
    const auto state = shares.StateOf(*table.share);
    if (!state.has_value()) continue;
    members.push_back({&table, *state, table.share->Shape(), StallModel(table.traffic)});
  }
  return members;
}

ShareCandidate CandidateOf(const Member& member) {
  ShareCandidate candidate = {.table_bytes = member.table->table_bytes,
                              .least_bytes = member.state.minimum_bytes,
                              .most_bytes = member.shape.most_bytes,
                              .current_bytes = member.state.fair_bytes};
  if (member.known()) {
    candidate.cost = [&member](double bytes) {
      return member.model.CostRate(member.HitRatio(bytes));
    };
  }
  return candidate;
}

ShareOutcome OutcomeOf(const Member& member, uint64_t bytes) {
  ShareOutcome outcome = {.bytes = bytes};
  if (!member.known()) return outcome;
  outcome.hit_ratio = member.HitRatio(static_cast<double>(bytes));
  outcome.reads_per_fetch = member.model.ReadsPerFetch(outcome.hit_ratio);
  outcome.stall_us = member.model.StallSeconds(outcome.hit_ratio) * 1e6;
  return outcome;
}

absl::Status CheckKnown(absl::Span<const Member> members) {
  if (members.empty()) {
    return absl::FailedPreconditionError(
        "too little traffic to divide RAM by: no table was fetched from that has a cache");
  }
  std::string lacking;
  for (const Member& member : members) {
    if (member.known()) return absl::OkStatus();
    const TableIdentity& identity = member.table->identity;
    absl::StrAppend(&lacking, lacking.empty() ? "" : "; ", identity.name, " version ",
                    identity.version, " has ", member.table->usage.sampled_uses, " of ",
                    kLeastSampledUses, " sampled uses");
    if (const uint64_t lost = member.table->usage.lost_uses; lost > 0) {
      absl::StrAppend(&lacking, ", because ", lost, " came too fast to be looked at");
    }
  }
  return absl::FailedPreconditionError(
      absl::StrCat("too little traffic to divide RAM by: ", lacking));
}

ShareBasis BasisOf(const Member& member) {
  if (member.state.fixed_part > 0) return ShareBasis::kFixed;
  return member.known() ? ShareBasis::kSaving : ShareBasis::kSize;
}

}  // namespace

absl::StatusOr<RamDivision> PlanDivision(const RamShares& shares,
                                         absl::Span<const BalancedTable> tables) {
  const std::vector<Member> members = MembersOf(shares, tables);
  if (absl::Status status = CheckKnown(members); !status.ok()) return status;
  std::vector<ShareCandidate> candidates;
  for (const Member& member : members) {
    if (member.state.fixed_part == 0) candidates.push_back(CandidateOf(member));
  }
  const SharePlan best = PlanShares(candidates, shares.DivisibleBytes());
  RamDivision division;
  division.plan.budget_bytes = shares.budget()->limit_bytes();
  division.plan.worthwhile = best.worthwhile;
  size_t candidate = 0;
  for (const Member& member : members) {
    uint64_t planned = member.state.fair_bytes;
    if (member.state.fixed_part == 0) {
      if (best.worthwhile) planned = best.bytes[candidate];
      ++candidate;
    }
    const uint64_t held = member.state.held_bytes;
    division.plan.bytes_to_move += RamShares::SurplusOf(*member.table->share, planned);
    division.plan.tables.push_back({.identity = member.table->identity,
                                    .basis = BasisOf(member),
                                    .window_us = member.table->window_us,
                                    .sampled_uses = member.table->usage.sampled_uses,
                                    .traffic = member.table->traffic,
                                    .now = OutcomeOf(member, held),
                                    .planned = OutcomeOf(member, planned)});
    division.targets.push_back({member.table->share, planned});
  }
  return division;
}

uint64_t StepDivision(RamShares* shares, absl::Span<const BalancedTable> tables) {
  auto division = PlanDivision(*shares, tables);
  if (!division.ok() || !division->plan.worthwhile) return 0;
  std::vector<uint64_t> from;
  std::vector<uint64_t> to;
  std::vector<RamShares::Target> targets;
  for (const RamShares::Target& target : division->targets) {
    const auto state = shares->StateOf(*target.share);
    if (!state.has_value() || state->fixed_part > 0) continue;
    from.push_back(state->fair_bytes);
    to.push_back(target.bytes);
    targets.push_back(target);
  }
  const double most = kStepPart * static_cast<double>(shares->budget()->limit_bytes());
  const std::vector<uint64_t> step = StepTowards(from, to, static_cast<uint64_t>(most));
  uint64_t changed = 0;
  for (size_t i = 0; i < step.size(); ++i) {
    targets[i].bytes = step[i];
    changed += step[i] > from[i] ? step[i] - from[i] : 0;
  }
  shares->SetTargets(targets);
  return changed;
}

}  // namespace engram::storage
