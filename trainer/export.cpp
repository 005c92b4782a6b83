#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "models/formats/atomic_file.h"
#include "models/formats/error.h"
#include "models/formats/model_files.h"
#include "models/formats/safetensors.h"
#include "models/liza/inject.h"
#include "models/registry.h"
#include "trainer/adapter_config.h"
#include "trainer/commands.h"
#include "trainer/tptt_adapter.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

void check_is_peft(const fs::path& adapter) {
  if (is_tptt_adapter(adapter.string()))
    throw UsageError("'" + adapter.string() +
                     "' is an adapter of Python tptt: continue it with "
                     "model.adapter_name_or_path, then export that run");
  read_adapter_config(adapter.string());
  read_safetensors_header(ReadFile((adapter / "adapter_model.safetensors").string()));
}

void export_peft(const fs::path& adapter, const fs::path& to) {
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors", "README.md",
                           "liza_config.json", "liza.safetensors"})
    if (fs::exists(adapter / name)) fs::copy_file(adapter / name, to / name);
}

// Modules with a memory, by their names in the base model.
std::vector<std::string> attention_names(const ModelFiles& base, const LizaConfig& liza) {
  CausalLM model(read_model_config(base));
  inject_liza(model, liza);
  std::vector<std::string> names;
  for (const Attention* attention : model.attentions())
    if (attention->liza) names.push_back(attention->name);
  return names;
}

void export_tptt(const fs::path& adapter, const fs::path& to) {
  const AdapterConfig config = read_adapter_config(adapter.string());
  const ModelFiles base = find_model(config.base_model_name_or_path);
  std::vector<std::string> attentions;
  if (config.liza) attentions = attention_names(base, *config.liza);
  write_file_atomic((to / "config.json").string(), tptt_config_json(config, base, attentions));
  write_file_atomic((to / "README.md").string(), tptt_readme());
  copy_tensors((adapter / "adapter_model.safetensors").string(),
               (to / "adapter_model.safetensors").string(),
               [&](const std::string& name) { return tptt_name_of_peft(name, attentions); });
}

struct Format {
  const char* name;
  const char* what;
  void (*write)(const fs::path& adapter, const fs::path& to);
};
constexpr Format kFormats[] = {
    {"peft", "PEFT adapter", export_peft},
    {"tptt", "adapter for Python tptt", export_tptt},
};

const Format& find_format(const std::string& name) {
  std::string known;
  for (const Format& format : kFormats) {
    if (name == format.name) return format;
    known += (known.empty() ? "" : " or ") + std::string(format.name);
  }
  throw UsageError("--format '" + name + "': expected " + known);
}

}  // namespace

void run_export(const std::string& from, const std::string& format, const std::string& output) {
  const Format& chosen = find_format(format);
  const bool is_run = fs::exists(fs::path(from) / "adapter" / "adapter_config.json");
  const fs::path adapter = is_run ? fs::path(from) / "adapter" : fs::path(from);
  check_is_peft(adapter);
  if (fs::exists(output) && !fs::is_empty(output))
    throw UsageError("--output '" + output + "' is not empty; choose a new directory");
  // Whole or not at all: written beside the target, renamed into place.
  const fs::path target = fs::absolute(output).lexically_normal();
  const fs::path temporary = target.parent_path() / ("." + target.filename().string() + ".tmp-" +
                                                     std::to_string(getpid()));
  fs::create_directories(temporary);
  try {
    chosen.write(adapter, temporary);
  } catch (...) {
    fs::remove_all(temporary);
    throw;
  }
  fs::rename(temporary, target);
  std::printf("%s in %s\n", chosen.what, output.c_str());
}

}  // namespace tptt
