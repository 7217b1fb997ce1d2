#include "tests/bench/paced_worker.h"

#include <sys/prctl.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/time/clock.h"

namespace engram::bench {
namespace {

// The kernel may otherwise wake a thread 50 us late.
void MakeSleepsExact() { prctl(PR_SET_TIMERSLACK, 1); }

// Before a layer begins, a partial answer has to be on its way.
constexpr absl::Duration kAnswerTime = absl::Microseconds(100);

// As an engine sees its GPU end a step: at once. Whoever sleeps wakes up some 90 us late, and
// sooner on a machine that is not idle, which a loop with fetches would gain by.
void WatchUntil(absl::Time time) {
  constexpr absl::Duration kMostOversleep = absl::Microseconds(200);
  absl::SleepFor(time - kMostOversleep - absl::Now());
  while (absl::Now() < time) {
  }
}

}  // namespace

PacedWorker::PacedWorker(const NgramHasher& hasher, const TokenTrace& trace, const WorkerPlan& plan)
    : hasher_(hasher),
      trace_(trace),
      plan_(plan),
      warm_history_(hasher.SegmentStart()),
      tickets_(hasher.layers().size()),
      tiers_(hasher.layers().size()) {}

void PacedWorker::SetSequences(uint32_t sequences) {
  while (sequences_.size() > sequences) sequences_.pop_back();
  while (sequences_.size() < sequences) sequences_.push_back(NextSequence());
}

PacedWorker::Sequence PacedWorker::NextSequence() {
  // Multiples of these, modulo 1, are spread evenly over a square however many there are.
  constexpr uint32_t kLength = 3'242'174'889;  // 0.7549 of 2^32
  constexpr uint32_t kPlace = 2'447'445'414;   // 0.5698
  ++begun_;
  const auto length = [place = uint64_t{kLength * begun_}](const TokenRange& range) {
    return range.least + static_cast<uint32_t>(place * (range.most - range.least + 1) >> 32);
  };
  const uint32_t prompt = length(plan_.prompt_tokens);
  const size_t all = prompt + length(plan_.output_tokens);
  const size_t tokens = trace_.tokens.size();
  const size_t first = warm_ + all < tokens ? warm_ : 0;
  const size_t at = first + (uint64_t{kPlace * begun_} * (tokens - first) >> 32);
  const Document document = DocumentAt(at);
  const size_t begin =
      std::max(document.begin, std::min(at, document.end - std::min(all, document.end)));
  const size_t before = std::min(begin - document.begin, hasher_.max_ngram() - 1);
  const auto text = absl::MakeConstSpan(trace_.tokens);
  Sequence sequence = {.before = text.subspan(begin - before, before),
                       .text = text.subspan(begin, std::min(all, document.end - begin)),
                       .history = hasher_.SegmentStart()};
  sequence.prompt_left = static_cast<uint32_t>(std::min<size_t>(prompt, sequence.text.size()));
  return sequence;
}

PacedWorker::Document PacedWorker::DocumentAt(size_t token) const {
  const auto& ends = trace_.document_ends;
  const auto end = std::upper_bound(ends.begin(), ends.end(), token);
  return {.begin = end == ends.begin() ? 0 : *std::prev(end), .end = *end};
}

absl::StatusOr<uint32_t> PacedWorker::TakeTokens(Sequence* sequence, uint32_t most) {
  if (sequence->text.empty()) {
    if (waiting_.empty()) waiting_.push_back(NextSequence());
    *sequence = std::move(waiting_.front());
    waiting_.pop_front();
  }
  const auto count = static_cast<uint32_t>(std::min<size_t>(
      sequence->text.size(),
      sequence->prompt_left > 0 ? std::min(sequence->prompt_left, most) : std::min(1U, most)));
  unused_.Clear();
  absl::Status status =
      hasher_.Append(std::exchange(sequence->before, {}), sequence->history, unused_);
  if (status.ok()) status = hasher_.Append(sequence->text.first(count), sequence->history, batch_);
  if (!status.ok()) return status;
  sequence->text.remove_prefix(count);
  sequence->prompt_left -= std::min(count, sequence->prompt_left);
  return count;
}

absl::StatusOr<uint32_t> PacedWorker::PlanStep() {
  batch_.Clear();
  uint32_t tokens = 0;
  // Those that decode first: prompts take what is left.
  for (const bool prompts : {false, true}) {
    for (Sequence& sequence : sequences_) {
      if ((sequence.prompt_left > 0) != prompts) continue;
      const auto taken = TakeTokens(&sequence, plan_.step_tokens - tokens);
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

absl::Status PacedWorker::AddToHints(absl::Span<const uint32_t> text, NgramHistory history,
                                     size_t from) {
  drafts_.Clear();
  absl::Status status = hasher_.Append(text, history, drafts_);
  const size_t known = from * hasher_.ids_per_position();
  row_ids_.resize(drafts_.positions() * hasher_.ids_per_position());
  for (size_t layer = 0; layer < hints_.size(); ++layer) {
    status.Update(hasher_.Hash(layer, drafts_, absl::MakeSpan(row_ids_)));
    hints_[layer].insert(hints_[layer].end(), row_ids_.begin() + static_cast<ptrdiff_t>(known),
                         row_ids_.end());
  }
  return status;
}

absl::Status PacedWorker::AddDraft(const Sequence& sequence, uint32_t ahead) {
  std::vector<uint32_t> text(sequence.text.begin(), sequence.text.begin() + ahead);
  const bool right = std::uniform_real_distribution<double>()(random_) < plan_.draft_accuracy;
  if (!right) text.back() = trace_.tokens[random_() % trace_.tokens.size()];
  return AddToHints(text, sequence.history, ahead - 1);
}

absl::Status PacedWorker::AddPrompt(const Sequence& sequence) {
  NgramHistory history = sequence.history;
  unused_.Clear();
  const absl::Status status = hasher_.Append(sequence.before, history, unused_);
  if (!status.ok()) return status;
  return AddToHints(sequence.text.first(std::min(sequence.prompt_left, plan_.step_tokens)), history,
                    /*from=*/0);
}

absl::Status PacedWorker::Announce(absl::Span<const Source> sources, uint32_t ahead) {
  hints_.assign(sources.size(), {});
  size_t ended = 0;
  absl::Status status;
  for (const Sequence& sequence : sequences_) {
    if (sequence.text.empty()) {
      if (ahead < plan_.lookahead) continue;  // prompts come a step ahead, before the first as well
      if (waiting_.size() == ended) waiting_.push_back(NextSequence());
      status.Update(AddPrompt(waiting_[ended++]));
    } else if (sequence.prompt_left == 0 && sequence.text.size() >= ahead) {
      status.Update(AddDraft(sequence, ahead));
    }
  }
  for (size_t layer = 0; layer < sources.size() && status.ok(); ++layer) {
    if (hints_[layer].empty()) continue;
    const absl::Status sent = sources[layer].table->Prefetch(hints_[layer]);
    if (!absl::IsUnavailable(sent)) status.Update(sent);  // else it is lost, as hints are
  }
  return status;
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
  const absl::StatusOr<uint32_t> tokens = PlanStep();
  if (!tokens.ok()) return tokens.status();
  run->tokens += *tokens;
  for (size_t layer = 0; layer < sources.size(); ++layer) {
    absl::Status status = Submit(layer, sources[layer], begins(layer));
    if (!status.ok()) return status;
  }
  if (!sources.empty() && plan_.lookahead > 0) {
    if (absl::Status status = Announce(sources, plan_.lookahead); !status.ok()) return status;
  }
  for (size_t layer = 0; layer < sources.size(); ++layer) {
    if (absl::Status status = Collect(layer); !status.ok()) return status;
    const absl::Duration stall = std::max(absl::ZeroDuration(), absl::Now() - begins(layer));
    run->fetches[layer].push_back(FetchOf(layer, stall));
    start += stall;
  }
  WatchUntil(start + plan_.step);
  return absl::OkStatus();
}

absl::StatusOr<PacedRun> PacedWorker::Run(absl::Span<const Source> sources, int steps) {
  MakeSleepsExact();
  PacedRun run;
  run.fetches.resize(sources.size());
  const uint32_t announced = sources.empty() ? 0 : plan_.lookahead;
  for (uint32_t ahead = 1; ahead <= announced; ++ahead) {  // as the steps before would have
    if (absl::Status status = Announce(sources, ahead); !status.ok()) return status;
    absl::SleepFor(plan_.step);
  }
  const absl::Time start = absl::Now();
  for (int i = 0; i < steps; ++i) {
    if (absl::Status status = Step(sources, &run); !status.ok()) return status;
  }
  run.time = absl::Now() - start;
  return run;
}

absl::Status PacedWorker::WarmUp(absl::Span<const Source> sources, uint64_t tokens) {
  for (uint64_t done = 0; done < tokens;) {
    if (warm_ == trace_.tokens.size()) warm_ = 0;
    const Document document = DocumentAt(warm_);
    if (warm_ == document.begin) warm_history_ = hasher_.SegmentStart();
    const size_t count =
        std::min<uint64_t>({plan_.step_tokens, tokens - done, document.end - warm_});
    batch_.Clear();
    absl::Status status = hasher_.Append(absl::MakeConstSpan(trace_.tokens).subspan(warm_, count),
                                         warm_history_, batch_);
    for (size_t layer = 0; layer < sources.size() && status.ok(); ++layer) {
      status = Submit(layer, sources[layer], absl::InfiniteFuture());
    }
    for (size_t layer = 0; layer < sources.size(); ++layer) status.Update(Collect(layer));
    if (!status.ok()) return status;
    warm_ += count;
    done += count;
  }
  return absl::OkStatus();
}

}  // namespace engram::bench
