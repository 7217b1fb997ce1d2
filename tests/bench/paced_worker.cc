#include "tests/bench/paced_worker.h"

#include <sys/prctl.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace engram::bench {
namespace {

// The kernel may otherwise wake a thread 50 us late.
void MakeSleepsExact() { prctl(PR_SET_TIMERSLACK, 1); }

// Before a layer begins, a partial answer has to be on its way.
constexpr absl::Duration kAnswerTime = absl::Microseconds(100);

void SleepUntil(absl::Time time) { absl::SleepFor(time - absl::Now()); }

}  // namespace

PacedWorker::PacedWorker(const NgramHasher& hasher, const TokenTrace& trace, const WorkerPlan& plan)
    : hasher_(hasher),
      trace_(trace),
      plan_(plan),
      tickets_(hasher.layers().size()),
      tiers_(hasher.layers().size()) {
  SetSequences(plan.sequences);
}

void PacedWorker::SetSequences(uint32_t sequences) {
  while (sequences_.size() > sequences) sequences_.pop_back();
  while (sequences_.size() < sequences) sequences_.push_back(NextSequence());
}

// The next at most `most` tokens of the trace, which begins anew at its end; of one document.
absl::Span<const uint32_t> PacedWorker::NextText(size_t most) {
  absl::Span<const uint32_t> left = trace_.document(document_).subspan(document_place_);
  while (left.empty()) {
    document_ = (document_ + 1) % trace_.documents();
    document_place_ = 0;
    left = trace_.document(document_);
  }
  const absl::Span<const uint32_t> text = left.first(std::min(most, left.size()));
  document_place_ += text.size();
  return text;
}

PacedWorker::Sequence PacedWorker::NextSequence() {
  // The multiples of the golden ratio, modulo 1, are spread evenly however many there are.
  constexpr uint32_t kGoldenRatio = 2'654'435'769;  // of 2^32
  const uint64_t place = kGoldenRatio * ++begun_;
  const auto length = [&](const TokenRange& range) {
    return range.least + static_cast<uint32_t>(place * (range.most - range.least + 1) >> 32);
  };
  const uint32_t prompt = length(plan_.prompt_tokens);
  Sequence sequence = {.text = NextText(prompt + length(plan_.output_tokens)),
                       .history = hasher_.SegmentStart()};
  sequence.prompt_left = static_cast<uint32_t>(std::min<size_t>(prompt, sequence.text.size()));
  return sequence;
}

absl::StatusOr<uint32_t> PacedWorker::TakeTokens(Sequence* sequence, uint32_t most, bool hash) {
  if (sequence->text.empty()) *sequence = NextSequence();
  const auto count = static_cast<uint32_t>(std::min<size_t>(
      sequence->text.size(),
      sequence->prompt_left > 0 ? std::min(sequence->prompt_left, most) : std::min(1U, most)));
  if (hash) {
    const absl::Status status =
        hasher_.Append(sequence->text.first(count), sequence->history, batch_);
    if (!status.ok()) return status;
  }
  sequence->text.remove_prefix(count);
  sequence->prompt_left -= std::min(count, sequence->prompt_left);
  return count;
}

absl::StatusOr<uint32_t> PacedWorker::PlanStep(bool hash) {
  batch_.Clear();
  uint32_t tokens = 0;
  // Those that decode first: prompts take what is left.
  for (const bool prompts : {false, true}) {
    for (Sequence& sequence : sequences_) {
      if ((sequence.prompt_left > 0) != prompts) continue;
      const auto taken = TakeTokens(&sequence, plan_.step_tokens - tokens, hash);
      if (!taken.ok()) return taken.status();
      tokens += *taken;
      if (tokens == plan_.step_tokens) return tokens;
    }
  }
  return tokens;
}

absl::Status PacedWorker::Submit(size_t layer, const Source& source, absl::Time needed_at) {
  row_ids_.resize(batch_.positions() * hasher_.ids_per_position());
  const absl::Status status = hasher_.Hash(layer, batch_, absl::MakeSpan(row_ids_));
  if (!status.ok()) return status;
  const size_t row_bytes = source.table->spec().row_bytes;
  const size_t most = source.table->max_fetch_rows();
  const size_t group_size = source.table->spec().group_size;
  tiers_[layer].resize(row_ids_.size() / group_size);
  for (size_t at = 0; at < row_ids_.size(); at += most) {
    const size_t count = std::min(most, row_ids_.size() - at);
    FetchOptions options = {
        .needed_at = needed_at,
        .tiers = absl::MakeSpan(tiers_[layer]).subspan(at / group_size, count / group_size)};
    if (plan_.partial && needed_at != absl::InfiniteFuture()) {
      options.partial = true;
      options.deadline = needed_at - kAnswerTime;
    }
    tickets_[layer].push_back(
        source.table->Submit(absl::MakeConstSpan(row_ids_).subspan(at, count),
                             source.rows.subspan(at * row_bytes, count * row_bytes), options));
  }
  return absl::OkStatus();
}

absl::Status PacedWorker::Announce(absl::Span<const Source> sources) {
  const size_t ids_of_token = hasher_.ids_per_position();
  std::vector<std::vector<uint32_t>> announced(sources.size());  // [layers]
  for (const Sequence& sequence : sequences_) {
    if (sequence.prompt_left > 0 || sequence.text.size() < plan_.lookahead) continue;
    std::vector<uint32_t> text(sequence.text.begin(), sequence.text.begin() + plan_.lookahead);
    const bool right = std::uniform_real_distribution<double>()(random_) < plan_.draft_accuracy;
    if (!right) text.back() = trace_.document(document_)[random_() % document_place_];
    NgramHistory history = sequence.history;
    drafts_.Clear();
    absl::Status status = hasher_.Append(text, history, drafts_);
    row_ids_.resize(drafts_.positions() * ids_of_token);
    for (size_t layer = 0; layer < sources.size(); ++layer) {
      status.Update(hasher_.Hash(layer, drafts_, absl::MakeSpan(row_ids_)));
      announced[layer].insert(announced[layer].end(),
                              row_ids_.end() - static_cast<ptrdiff_t>(ids_of_token),
                              row_ids_.end());
    }
    if (!status.ok()) return status;
  }
  for (size_t layer = 0; layer < sources.size(); ++layer) {
    if (announced[layer].empty()) continue;
    const absl::Status sent = sources[layer].table->Prefetch(announced[layer]);
    if (!sent.ok() && !absl::IsUnavailable(sent)) return sent;  // that one is lost, as hints are
  }
  return absl::OkStatus();
}

absl::Status PacedWorker::Collect(size_t layer) {
  absl::Status status;
  for (Ticket& ticket : tickets_[layer]) status.Update(ticket.Wait());
  tickets_[layer].clear();
  return status;
}

PacedFetch PacedWorker::FetchOf(size_t layer, absl::Duration stall) const {
  const auto from = [&](Tier tier) {
    return static_cast<uint32_t>(std::count(tiers_[layer].begin(), tiers_[layer].end(), tier));
  };
  return {.stall_us = absl::ToDoubleMicroseconds(stall),
          .groups = static_cast<uint32_t>(tiers_[layer].size()),
          .warm = from(Tier::kWarm),
          .cold = from(Tier::kCold),
          .absent = from(Tier::kAbsent)};
}

absl::Status PacedWorker::Step(absl::Span<const Source> sources, PacedRun* run) {
  absl::Time start = absl::Now();  // moves with what is waited for
  const auto begins = [&](size_t layer) {
    return start + plan_.WindowOf(hasher_.layers()[layer].layer_id);
  };
  const absl::StatusOr<uint32_t> tokens = PlanStep(!sources.empty());
  if (!tokens.ok()) return tokens.status();
  run->tokens += *tokens;
  for (size_t layer = 0; layer < sources.size(); ++layer) {
    absl::Status status = Submit(layer, sources[layer], begins(layer));
    if (!status.ok()) return status;
  }
  if (!sources.empty() && plan_.lookahead > 0) {
    if (absl::Status status = Announce(sources); !status.ok()) return status;
  }
  for (size_t layer = 0; layer < sources.size(); ++layer) {
    SleepUntil(begins(layer));
    const bool late = !std::all_of(tickets_[layer].begin(), tickets_[layer].end(),
                                   [](const Ticket& ticket) { return ticket.done(); });
    if (absl::Status status = Collect(layer); !status.ok()) return status;
    const absl::Duration stall = late ? absl::Now() - begins(layer) : absl::ZeroDuration();
    run->fetches[layer].push_back(FetchOf(layer, stall));
    start += stall;
  }
  SleepUntil(start + plan_.step);
  return absl::OkStatus();
}

absl::StatusOr<PacedRun> PacedWorker::Run(absl::Span<const Source> sources, int steps) {
  MakeSleepsExact();
  PacedRun run;
  run.fetches.resize(sources.size());
  const absl::Time start = absl::Now();
  for (int i = 0; i < steps; ++i) {
    if (absl::Status status = Step(sources, &run); !status.ok()) return status;
  }
  run.time = absl::Now() - start;
  return run;
}

absl::Status PacedWorker::WarmUp(absl::Span<const Source> sources, uint64_t tokens) {
  while (tokens > 0) {
    Sequence sequence = NextSequence();
    while (!sequence.text.empty() && tokens > 0) {
      batch_.Clear();
      const auto most = static_cast<uint32_t>(std::min<uint64_t>(plan_.step_tokens, tokens));
      sequence.prompt_left = most;
      const auto taken = TakeTokens(&sequence, most, /*hash=*/true);
      if (!taken.ok()) return taken.status();
      tokens -= *taken;
      absl::Status status;
      for (size_t layer = 0; layer < sources.size() && status.ok(); ++layer) {
        status = Submit(layer, sources[layer], absl::InfiniteFuture());
      }
      for (size_t layer = 0; layer < sources.size(); ++layer) status.Update(Collect(layer));
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::bench
