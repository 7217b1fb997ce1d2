#include "client/examples/gpu_worker/report.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>

#include "absl/strings/str_format.h"
#include "client/ctl/table_names.h"
#include "client/engram_client.h"

namespace engram::gpu_worker {
namespace {

using Json = nlohmann::ordered_json;

double Median(const std::vector<double>& values) { return Percentile(values, 50); }

std::vector<double> StepMs(const std::vector<Round>& rounds) {
  std::vector<double> values;
  values.reserve(rounds.size());
  for (const Round& round : rounds) values.push_back(round.step_ms);
  return values;
}

// The values of all rounds together.
template <typename Get>
std::vector<double> Pool(const std::vector<Round>& rounds, Get get) {
  std::vector<double> values;
  for (const Round& round : rounds) {
    const std::vector<double>& more = get(round);
    values.insert(values.end(), more.begin(), more.end());
  }
  return values;
}

Json LayerJson(const Measured& measured, size_t layer) {
  const auto wait = Pool(measured.with_rows, [&](const Round& r) { return r.layers[layer].wait; });
  const auto stall =
      Pool(measured.with_rows, [&](const Round& r) { return r.layers[layer].stall; });
  const auto idle = Pool(measured.baseline, [&](const Round& r) { return r.layers[layer].stall; });
  return {{"layer", measured.layer_ids[layer]},  {"wait_us_p50", Median(wait)},
          {"wait_us_p99", Percentile(wait, 99)}, {"gpu_stall_us_baseline_p50", Median(idle)},
          {"gpu_stall_us_p50", Median(stall)},   {"gpu_stall_us_p99", Percentile(stall, 99)}};
}

Json TierShares(const DeviceRows::TierCounts& tiers) {
  const auto all = std::accumulate(tiers.begin(), tiers.end(), uint64_t{0});
  Json shares = Json::object();
  for (const Tier tier : {Tier::kRam, Tier::kWarm, Tier::kCold}) {
    const uint64_t count = tiers[static_cast<size_t>(tier)];
    shares[ctl::TierName(static_cast<int>(tier))] =
        static_cast<double>(count) / static_cast<double>(std::max<uint64_t>(1, all));
  }
  return shares;
}

// The share of the tokens per second that rows cost, in each pair of rounds.
std::vector<double> Losses(const Measured& measured) {
  std::vector<double> losses;
  for (size_t i = 0; i < measured.with_rows.size(); ++i) {
    losses.push_back(1 - measured.baseline[i].step_ms / measured.with_rows[i].step_ms);
  }
  return losses;
}

}  // namespace

double Percentile(std::vector<double> values, double percent) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(percent / 100 * static_cast<double>(values.size()));
  return values[static_cast<size_t>(std::max(1.0, rank)) - 1];
}

nlohmann::ordered_json ToJson(const Options& options, const Measured& measured) {
  const double baseline_ms = Median(StepMs(measured.baseline));
  const double with_rows_ms = Median(StepMs(measured.with_rows));
  const double batch_per_second = 1000 * static_cast<double>(options.shape.batch);
  const auto ask = [](const Round& round) { return round.ask; };
  uint64_t rows_checked = 0;
  for (const Round& round : measured.with_rows) rows_checked += round.rows_checked;
  Json json = {{"gpu", measured.gpu},
               {"cuda_driver", measured.driver_version},
               {"transport", measured.shared_memory ? "shared memory" : "grpc"},
               {"pinned", options.pin},
               {"graphs", options.graphs},
               {"launch_first", options.decode.launch_first},
               {"batch", options.shape.batch},
               {"ahead", options.decode.ahead},
               {"steps", options.decode.steps},
               {"rounds", options.rounds},
               {"layers", options.shape.layers},
               {"hidden", options.shape.hidden},
               {"intermediate", options.shape.intermediate},
               {"weight_bytes", measured.weight_bytes},
               {"h2d_bytes_per_step", measured.step_row_bytes},
               {"step_ms_baseline", baseline_ms},
               {"step_ms_with_rows", with_rows_ms},
               {"baseline_tokens_per_s", batch_per_second / baseline_ms},
               {"tokens_per_s", batch_per_second / with_rows_ms},
               {"loss_fraction", Median(Losses(measured))},
               {"loss_fraction_rounds", Losses(measured)},
               {"ask_us_baseline_p50", Median(Pool(measured.baseline, ask))},
               {"ask_us_p50", Median(Pool(measured.with_rows, ask))},
               {"ask_us_p99", Percentile(Pool(measured.with_rows, ask), 99)},
               {"engram_layers", Json::array()},
               {"tiers", TierShares(measured.tiers)},
               {"rows_checked", rows_checked}};
  for (size_t layer = 0; layer < measured.layer_ids.size(); ++layer) {
    json["engram_layers"].push_back(LayerJson(measured, layer));
  }
  return json;
}

void PrintReport(const nlohmann::ordered_json& json, std::ostream& out) {
  const auto number = [&](const char* key) { return json[key].get<double>(); };
  out << absl::StrFormat("%s, batch %d, rows by %s\n", json["gpu"].get<std::string>(),
                         json["batch"].get<int64_t>(), json["transport"].get<std::string>())
      << absl::StrFormat("without rows  %8.3f ms a step  %9.1f tokens/s\n",
                         number("step_ms_baseline"), number("baseline_tokens_per_s"))
      << absl::StrFormat("with rows     %8.3f ms a step  %9.1f tokens/s  %.2f %% fewer\n",
                         number("step_ms_with_rows"), number("tokens_per_s"),
                         100 * number("loss_fraction"));
  for (const auto& layer : json["engram_layers"]) {
    out << absl::StrFormat("layer %-3d      waited %.0f us for rows (p99 %.0f), the GPU %.0f us\n",
                           layer["layer"].get<int64_t>(), layer["wait_us_p50"].get<double>(),
                           layer["wait_us_p99"].get<double>(),
                           layer["gpu_stall_us_p50"].get<double>());
  }
  out << "rows from    ";
  for (const auto& [tier, share] : json["tiers"].items()) {
    out << absl::StrFormat(" %s %.1f %%", tier, 100 * share.get<double>());
  }
  out << absl::StrFormat("; %d rows checked on the GPU\n", json["rows_checked"].get<int64_t>());
}

}  // namespace engram::gpu_worker
