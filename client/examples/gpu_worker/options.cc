#include "client/examples/gpu_worker/options.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "client/ctl/help_formatter.h"
#include "client/ctl/option_checks.h"

namespace engram::gpu_worker {
namespace {

constexpr char kSummary[] =
    "Measures what Engram rows cost a GPU: decodes real text with a stand-in for a transformer, by "
    "turns without rows and with rows that engramd serves, copied to the GPU ahead of use.";

constexpr char kFooter[] =
    R"(Needs an NVIDIA driver, cuBLAS and NVRTC of CUDA 12 or 13 when it runs, and tables whose rows
describe themselves, which are checked to the last byte:

  engramctl make-checkpoint /tmp/v41 --bytes 8GB && engramctl import /tmp/v41 v41
  gpu_worker --name v41 --config /tmp/v41 --trace prose.u32.zst --docs prose.docs.txt \
    --token-map token_map.u32.zst --batch 8

Exit codes: 0 success, 1 it failed or a row was wrong, 2 the command line is wrong.)";

// A number of elements that cuBLAS can take in whole vectors.
CLI::Validator MultipleOf64() {
  return CLI::Validator(
      [](const std::string& value) {
        size_t number = 0;
        const bool ok = CLI::detail::lexical_cast(value, number) && number > 0 && number % 64 == 0;
        return ok ? std::string() : "\"" + value + "\" is not a multiple of 64";
      },
      "");
}

CLI::Validator Between(size_t least, size_t most) {
  return CLI::Range(least, most).description("");
}

CLI::Option* AddSwitchOff(CLI::App& app, const std::string& name, bool& value,
                          const std::string& help) {
  return app.add_flag_callback(
      name, [&value] { value = false; }, help);
}

void AddTextOptions(CLI::App& app, Options& options) {
  const std::string group = "Rows and text";
  app.add_option("--address", options.address, "Where the daemon listens (env: ENGRAMD_ADDRESS)")
      ->envname("ENGRAMD_ADDRESS")
      ->type_name("ADDRESS")
      ->capture_default_str()
      ->group(group);
  app.add_option("--name", options.name, "The tables are NAME/layer<N>")
      ->required()
      ->type_name("NAME")
      ->group(group);
  app.add_option("--config", options.config,
                 "The model's config.json, or the directory that holds it")
      ->required()
      ->type_name("FILE")
      ->group(group);
  app.add_option("--token-map", options.token_map,
                 "Compressed ids of token ids, .u32 or .u32.zst; default: hashed as they are")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--trace", options.trace, "The text: token ids, .u32 or .u32.zst")
      ->required()
      ->type_name("FILE")
      ->group(group);
  app.add_option("--docs", options.docs,
                 "Token counts of the trace's documents, one a line; default: one document")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--skip", options.range.skip, "Tokens at the trace's beginning to leave out")
      ->type_name("TOKENS")
      ->group(group);
  app.add_option("--limit", options.range.limit, "Tokens behind those to read at most")
      ->type_name("TOKENS")
      ->group(group);
}

void AddLoopOptions(CLI::App& app, Options& options) {
  const std::string group = "Loop";
  app.add_option("--batch", options.shape.batch, "Sequences decoded at a time")
      ->check(Between(1, 4096))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  app.add_option("--steps", options.decode.steps, "Steps of a round, behind those to warm up")
      ->check(Between(1, 100'000))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  app.add_option("--warm-up-steps", options.decode.warm_up_steps, "Steps before the clock starts")
      ->check(Between(0, 100'000))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  app.add_option("--rounds", options.rounds, "Rounds of each kind, by turns")
      ->check(Between(1, 1000))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  app.add_option("--ahead", options.decode.ahead,
                 "How many steps earlier tokens are known, as a prompt's or a draft's are")
      ->check(Between(0, 64))
      ->type_name("STEPS")
      ->capture_default_str()
      ->group(group);
  app.add_flag("--launch-first", options.decode.launch_first,
               "Launch the first layers, and only then hash and ask for rows")
      ->group(group);
  AddSwitchOff(app, "--no-shared-memory", options.shared_memory, "Fetch by gRPC")->group(group);
  AddSwitchOff(app, "--no-pin", options.pin, "Copy from memory that is not pinned")->group(group);
  AddSwitchOff(app, "--no-check", options.decode.check,
               "Take any bytes: for tables whose rows do not describe themselves")
      ->group(group);
}

void AddModelOptions(CLI::App& app, Options& options) {
  const std::string group = "Model";
  app.add_option("--layers", options.shape.layers, "Transformer layers")
      ->check(Between(2, 1000))
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  app.add_option("--hidden", options.shape.hidden, "Width of the hidden state")
      ->check(MultipleOf64())
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  app.add_option("--intermediate", options.shape.intermediate, "Width of the feed-forward part")
      ->check(MultipleOf64())
      ->type_name("N")
      ->capture_default_str()
      ->group(group);
  AddSwitchOff(app, "--no-graphs", options.graphs, "Launch kernel by kernel")->group(group);
  app.add_option("--cublas", options.cublas, "Path of cuBLAS, libcublas.so.*")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--nvrtc", options.nvrtc, "Path of CUDA's compiler, libnvrtc.so.*")
      ->type_name("FILE")
      ->group(group);
}

}  // namespace

absl::StatusOr<std::optional<Options>> ParseOptions(int argc, const char* const* argv,
                                                    std::ostream& out) {
  Options options;
  CLI::App app(kSummary, "gpu_worker");
  app.formatter(std::make_shared<ctl::HelpFormatter>());
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.footer(kFooter);
  AddTextOptions(app, options);
  AddLoopOptions(app, options);
  AddModelOptions(app, options);
  app.add_flag("--json", options.json, "Print the result as one line of JSON");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::Success)) {
      return absl::InvalidArgumentError(error.what());
    }
    app.exit(error, out, out);
    return std::nullopt;
  }
  return options;
}

}  // namespace engram::gpu_worker
