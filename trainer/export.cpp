#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "models/formats/error.h"
#include "models/formats/names.h"
#include "models/formats/safetensors.h"
#include "models/lora.h"
#include "trainer/adapter.h"
#include "trainer/export_job.h"
#include "trainer/log.h"
#include "trainer/tptt_adapter.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

void export_peft(const ExportJob& job, const std::string& to) {
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors", "README.md",
                           "liza_config.json", "liza.safetensors"})
    if (const fs::path from = fs::path(job.adapter) / name; fs::exists(from))
      fs::copy_file(from, fs::path(to) / name);
}

bool never(const ExportJob&) {
  return false;
}
bool always(const ExportJob&) {
  return true;
}
bool base_is_gguf(const ExportJob& job) {
  return !find_base(job).gguf.empty();
}

struct Format {
  const char* name;
  const char* what;
  void (*write)(const ExportJob& job, const std::string& to);
  bool (*is_file)(const ExportJob& job);  // else a directory
};
constexpr Format kFormats[] = {
    {"peft", "PEFT adapter", export_peft, never},
    {"merged", "merged model", export_merged, base_is_gguf},
    {"gguf-lora", "LoRA adapter for llama.cpp", export_gguf_lora, always},
    {"tptt", "adapter for Python tptt", export_tptt, never},
};

const Format& find_format(const std::string& name) {
  for (const Format& format : kFormats)
    if (name == format.name) return format;
  throw UsageError("--format '" + name + "': expected " + export_formats());
}

ExportJob make_job(const ExportFlags& flags) {
  ExportJob job;
  job.flags = flags;
  const fs::path inside = fs::path(flags.from) / "adapter";
  const bool is_run = fs::exists(inside / "adapter_config.json");
  job.adapter = is_run ? inside.string() : flags.from;
  if (is_run) job.run = flags.from;
  if (is_tptt_adapter(job.adapter))
    throw UsageError("'" + job.adapter +
                     "' is an adapter of Python tptt: continue it with "
                     "model.adapter_name_or_path, then export that run");
  job.config = read_adapter_config(job.adapter);
  read_safetensors_header(ReadFile((fs::path(job.adapter) / "adapter_model.safetensors").string()));
  return job;
}

// Whole or not at all: written beside the target, renamed into place.
void write_dir(const Format& format, const ExportJob& job, const std::string& output) {
  if (fs::exists(output) && (!fs::is_directory(output) || !fs::is_empty(output)))
    throw UsageError("--output '" + output + "' is not empty; choose a new directory");
  fs::path target = fs::absolute(output).lexically_normal();
  if (target.filename().empty()) target = target.parent_path();  // "out/"
  const fs::path temporary = target.parent_path() / ("." + target.filename().string() + ".tmp-" +
                                                     std::to_string(getpid()));
  fs::create_directories(temporary);
  try {
    format.write(job, temporary.string());
    fs::rename(temporary, target);
  } catch (...) {
    fs::remove_all(temporary);
    throw;
  }
}

}  // namespace

std::string export_formats() {
  return list_names(
      kFormats, [](const Format& format) { return format.name; }, " or ");
}

ModelFiles find_base(const ExportJob& job) {
  if (!job.flags.model.empty()) return find_model(job.flags.model);
  if (!job.run.empty())
    return find_model(
        load_config((fs::path(job.run) / "config.yaml").string(), {}).model.name_or_path);
  if (job.config.base_model_name_or_path.empty())
    throw UsageError(job.adapter +
                     ": the adapter does not name its base model; give it as --model");
  try {
    return find_model(job.config.base_model_name_or_path);
  } catch (const UsageError& error) {
    throw UsageError(std::string(error.what()) + ", or give the base as --model");
  }
}

std::unique_ptr<CausalLM> lora_alone(const ExportJob& job, const ModelFiles& base) {
  if (job.config.lora.init_lora_weights == "pissa")
    throw UsageError(
        job.adapter +
        ": holds PiSSA's tensors for a base that PEFT changed; convert it to plain LoRA "
        "(PEFT: save_pretrained(..., path_initial_model_for_weight_conversion=...))");
  auto model = std::make_unique<CausalLM>(read_model_config(base));
  add_lora(*model, job.config.lora, 0);
  load_adapter_weights(*model, job.adapter, false);
  return model;
}

void refuse_liza(const ExportJob& job) {
  if (!job.config.liza) return;
  if (!job.flags.drop_liza)
    throw UsageError("--format " + job.flags.format +
                     ": the LiZA memory and its gates have no place in it and would be lost; "
                     "pass --drop-liza to write the LoRA without them");
  log_warning("the LiZA memory is left out: the result is the softmax branch alone");
}

void run_export(const ExportFlags& flags) {
  const Format& format = find_format(flags.format);
  if (!flags.outtype.empty() && flags.format != "merged")
    throw UsageError("--outtype is for --format merged alone");
  if (flags.drop_liza && flags.format != "merged" && flags.format != "gguf-lora")
    throw UsageError("--drop-liza is for --format merged and gguf-lora alone");
  const ExportJob job = make_job(flags);
  if (!format.is_file(job)) {
    write_dir(format, job, flags.output);
  } else if (fs::exists(flags.output)) {
    throw UsageError("--output '" + flags.output + "' is there already; choose a new file");
  } else {
    format.write(job, flags.output);
  }
  std::printf("%s in %s\n", format.what, flags.output.c_str());
}

}  // namespace tptt
