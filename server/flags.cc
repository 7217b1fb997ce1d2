#include "server/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <istream>
#include <iterator>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "server/table_values.h"

namespace engram::server {
namespace {

using storage::ReadEngineOptions;

// Lines "--name=value", "--name value" or "--name".
class FlagFile final : public CLI::Config {
 public:
  std::string to_config(const CLI::App* /*app*/, bool /*defaults*/, bool /*descriptions*/,
                        std::string /*prefix*/) const override {
    return "";
  }

  std::vector<CLI::ConfigItem> from_config(std::istream& in) const override {
    std::vector<CLI::ConfigItem> parsed;
    std::string line;
    while (std::getline(in, line)) {
      absl::string_view flag = absl::StripAsciiWhitespace(line);
      if (flag.empty() || flag.front() == '#') {
        continue;
      }
      absl::ConsumePrefix(&flag, "--");
      const size_t end = std::min(flag.find_first_of("= \t"), flag.size());
      const absl::string_view value = absl::StripAsciiWhitespace(flag.substr(end));
      Add(std::string(flag.substr(0, end)),
          value.empty() ? "true" : std::string(absl::StripPrefix(value, "=")), &parsed);
    }
    return parsed;
  }

 private:
  // A flag that is given more than once has all its values in one item.
  static void Add(const std::string& name, const std::string& value,
                  std::vector<CLI::ConfigItem>* parsed) {
    const auto same = [&](const CLI::ConfigItem& item) { return item.name == name; };
    auto item = std::find_if(parsed->begin(), parsed->end(), same);
    if (item == parsed->end()) {
      parsed->emplace_back();
      item = std::prev(parsed->end());
      item->name = name;
    }
    item->inputs.push_back(value);
  }
};

// What CLI11 takes for another number, or refuses in words that say little.
std::string CheckSize(const std::string& text) {
  const absl::string_view size = absl::StripAsciiWhitespace(text);
  const size_t digits = std::min(size.find_first_not_of("0123456789"), size.size());
  uint64_t number = 0;
  const absl::string_view unit = size.substr(digits);
  const bool is_octal = digits > 1 && size.front() == '0';
  const bool valid = absl::SimpleAtoi(size.substr(0, digits), &number) && !is_octal &&
                     !absl::StartsWith(unit, ".") && !absl::StartsWithIgnoreCase(unit, "x");
  return valid ? ""
               : absl::StrCat("'", text,
                              "' is no size: a whole number of 64 bits, perhaps with a unit");
}

CLI::Option* AddSize(CLI::App* app, const std::string& name, uint64_t* value,
                     const std::string& help) {
  return app->add_option(name, *value, help)
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true).description(""))
      ->transform(CLI::Validator(CheckSize, ""))  // the last one is the first to be done
      ->type_name("SIZE");
}

// A flag of which each value is one table's.
template <typename Value>
CLI::Option* AddTableValues(CLI::App* app, const std::string& name, const std::string& type,
                            std::map<std::string, Value>* values,
                            absl::Status (*parse)(absl::string_view text,
                                                  std::map<std::string, Value>* values),
                            const std::string& help) {
  // The check takes the value over: an option of CLI11 can refuse one in words there only.
  return app
      ->add_option_function<std::vector<std::string>>(
          name, [](const std::vector<std::string>&) {}, help)
      ->check(CLI::Validator(
          [values, parse](const std::string& text) {
            return std::string(parse(text, values).message());
          },
          ""))
      ->type_name(type);
}

CLI::Option* AddSeconds(CLI::App* app, const std::string& name, absl::Duration* value,
                        const std::string& help) {
  return app
      ->add_option_function<double>(
          name, [value](double seconds) { *value = absl::Seconds(seconds); }, help)
      ->check(CLI::Validator(
          [](const std::string& text) {
            double seconds = 0;  // NaN is a number to SimpleAtod, and fails both comparisons
            const bool valid = absl::SimpleAtod(text, &seconds) && seconds >= 0 && seconds <= 86400;
            return valid ? std::string() : absl::StrCat("'", text, "' is not 0 to 86400 seconds");
          },
          ""))
      ->type_name("SECONDS");
}

// Puts the number of an engine's kind in the place of its name.
std::string ToEngineKind(std::string& text) {
  const std::map<std::string, ReadEngineOptions::Kind> kinds = {
      {"auto", ReadEngineOptions::Kind::kAuto},
      {"io_uring", ReadEngineOptions::Kind::kIoUring},
      {"pread", ReadEngineOptions::Kind::kPread}};
  const auto kind = kinds.find(text);
  if (kind == kinds.end()) return absl::StrCat("'", text, "' is not auto, io_uring or pread");
  text = absl::StrCat(static_cast<int>(kind->second));
  return "";
}

void AddStoreFlags(CLI::App* app, storage::StoreOptions* options) {
  const std::string group = "Store";
  app->add_option("--data-dir", options->data_dir, "Directory of the tables; created if absent")
      ->capture_default_str()
      ->group(group);
  AddSize(app, "--ram-budget", &options->ram_budget_bytes,
          "RAM for hot groups, metadata included; 0 for none, e.g. 64GiB [4GiB]")
      ->group(group);
  AddSize(app, "--warm-budget", &options->warm_budget_bytes,
          "Disk, in the data directory, for n-grams too cold for RAM and used more than others, "
          "stored whole so that one read brings all rows; 0 for none, e.g. 100GiB [0]")
      ->group(group);
  AddSize(app, "--prefetch-memory", &options->prefetch_bytes,
          "Memory, beside the RAM budget, of n-grams that workers announced and did not fetch yet; "
          "half as much again while they are read; 0 to ignore such hints [64MiB]")
      ->group(group);
  app->add_option("--ram-whole", options->whole_tables,
                  "A table held whole in RAM if it fits the budget, by name; '*' for all; may be "
                  "given more than once")
      ->type_name("TABLE")
      ->group(group);
  AddTableValues(app, "--window", "TABLE=DURATION", &options->windows, ParseTableDuration,
                 "How long after its submission a fetch's rows are needed, e.g. "
                 "v41/layer14=3.5ms; RAM goes where it saves most of what fetches take beyond; may "
                 "be given more than once [0s]")
      ->group(group);
  AddTableValues(app, "--ram-share", "TABLE=FRACTION", &options->ram_shares, ParseTableFraction,
                 "The part of the RAM budget that a table is entitled to, e.g. v41/layer1=0.3; the "
                 "others share the rest by what it saves; may be given more than once")
      ->group(group);
  AddSeconds(app, "--hot-set-seconds", &options->hot_set_period,
             "How often to save which groups RAM holds, so that a restart brings them back; 0 for "
             "never [60]")
      ->group(group);
  AddSize(app, "--hot-image-rate", &options->hot_image_bytes_per_s,
          "Bytes a second at which to write the rows that RAM holds, on average, so that a restart "
          "reads them in sequence; they take as much disk as RAM; 0 for not at all [16MB]")
      ->group(group);
  app->add_option("--io-threads", options->io_threads, "Threads that read from disk")
      ->capture_default_str()
      ->group(group);
  ReadEngineOptions* const engine = &options->read_engine;
  app->add_option("--io-engine", engine->kind,
                  "How to read: io_uring, pread (a pool of threads), or auto: io_uring where the "
                  "kernel allows it [auto]")
      ->transform(CLI::Validator(ToEngineKind, ""))
      ->type_name("ENGINE")
      ->group(group);
  app->add_option("--io-queue-depth", engine->queue_depth, "Reads in flight of one thread")
      ->capture_default_str()
      ->group(group);
  app->add_option("--pread-threads", engine->pread_threads, "Threads of the pread engine")
      ->capture_default_str()
      ->group(group);
  app->add_flag("--direct-io,!--no-direct-io", engine->direct_io,
                "Read around the page cache, where the file system can [on]")
      ->group(group);
}

void AddListenFlags(CLI::App* app, ServerOptions* options) {
  const std::string group = "Listeners";
  app->add_option("--socket", options->unix_socket, "Path of the Unix socket; '' for none")
      ->capture_default_str()
      ->group(group);
  app->add_option("--socket-mode", options->unix_socket_mode, "Its mode, octal [0660]")
      ->transform(CLI::Validator(
          [](std::string& text) {
            char* end = nullptr;
            const uint64_t mode = std::strtoul(text.c_str(), &end, 8);
            if (text.empty() || *end != '\0' || mode > 0777) {
              return absl::StrCat("'", text, "' is no octal mode of 0 to 0777");
            }
            text = absl::StrCat(mode);
            return std::string();
          },
          ""))
      ->type_name("MODE")
      ->group(group);
  app->add_option("--listen", options->tcp_address,
                  "TCP listener beside it, on a loopback address, e.g. 127.0.0.1:7411; off by "
                  "default")
      ->type_name("HOST:PORT")
      ->group(group);
  app->add_flag("--reflection", options->reflection, "Serve gRPC reflection, for grpcurl and such")
      ->group(group);
}

void AddLimitFlags(CLI::App* app, DaemonFlags* flags) {
  const std::string group = "Limits";
  ServerOptions* const options = &flags->server;
  AddSize(app, "--max-answer", &options->max_answer_bytes,
          "Most bytes of rows of one fetch [64MiB]")
      ->group(group);
  AddSize(app, "--max-request", &options->max_request_bytes,
          "Most bytes of one request's message; 4 a row id [4MiB]")
      ->group(group);
  AddSize(app, "--max-in-flight", &options->max_in_flight_bytes,
          "Most bytes of rows in answers under way; more are refused [1GiB]")
      ->group(group);
  AddSize(app, "--max-shared-memory", &options->max_shared_bytes,
          "Most bytes of memory that clients may share with the daemon; 0 for none [4GiB]")
      ->group(group);
  app->add_option("--max-stream-fetches", options->max_stream_fetches,
                  "Most unanswered fetches of one stream")
      ->capture_default_str()
      ->group(group);
  AddSeconds(
      app, "--drain-seconds", &flags->drain_grace,
      "How long calls under way may take after SIGTERM; a second signal ends it at once [30]")
      ->group(group);
}

}  // namespace

absl::StatusOr<std::optional<DaemonFlags>> ParseFlags(int argc, const char* const* argv,
                                                      std::ostream& out) {
  constexpr uint64_t kDefaultRamBudget = uint64_t{4} << 30;
  DaemonFlags flags;
  flags.server.store.data_dir = "/var/lib/engramd";
  flags.server.store.ram_budget_bytes = kDefaultRamBudget;
  flags.server.unix_socket = "/run/engramd/engramd.sock";

  CLI::App app(
      "engramd serves the rows of Engram tables to the inference workers of one host: hot n-grams "
      "from RAM, all others from NVMe. Tables are imported and inspected with engramctl.",
      "engramd");
  app.set_version_flag("--version", absl::StrCat("engramd ", ENGRAM_VERSION));
  app.set_config("--flagfile", "",
                 "File with one flag a line; lines that start with '#' are comments")
      ->type_name("FILE");
  app.config_formatter(std::make_shared<FlagFile>());
  app.allow_config_extras(false);
  app.add_option("--log-level", flags.log_level, "debug, info, warn or error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}).description(""))
      ->capture_default_str()
      ->type_name("LEVEL");
  AddStoreFlags(&app, &flags.server.store);
  AddListenFlags(&app, &flags.server);
  AddLimitFlags(&app, &flags);
  app.footer("SIZE is a number of bytes, or one with a unit: 64GiB, 500MB.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ConfigError& error) {
    return absl::InvalidArgumentError(absl::StrCat(
        "in the flag file: ", absl::StrReplaceAll(error.what(), {{"INI was not able to parse ",
                                                                  "there is no flag --"}})));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::Success)) {
      return absl::InvalidArgumentError(error.what());
    }
    app.exit(error, out, out);
    return std::nullopt;
  }
  return flags;
}

}  // namespace engram::server
