#include "models/formats/model_files.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "models/formats/error.h"
#include "models/formats/gguf.h"

namespace tptt {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultModel = "smollm2-135m-instruct";
constexpr const char* kDefaultFile = "SmolLM2-135M-Instruct.Q4_1.gguf";
constexpr const char* kDefaultRepository = "HuggingFaceTB/SmolLM2-135M-Instruct";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

fs::path models_dir() {
  const std::string own = environment("TPTT_MODELS_DIR");
  return own.empty() ? cache_home() / "tptt" : fs::path(own);
}

fs::path hub_cache() {
  if (const std::string hub = environment("HF_HUB_CACHE"); !hub.empty()) return hub;
  const std::string home = environment("HF_HOME");
  return (home.empty() ? cache_home() / "huggingface" : fs::path(home)) / "hub";
}

bool is_repository_name(const std::string& name) {
  const size_t slash = name.find('/');
  return slash != std::string::npos && slash > 0 && slash + 1 < name.size() &&
         name.find('/', slash + 1) == std::string::npos && name.find("..") == std::string::npos &&
         name[0] != '.' && name[0] != '~';
}

// Snapshot files are links into the same repository's blobs; none may lead elsewhere.
void check_links(const fs::path& snapshot, const fs::path& repository) {
  const std::string root = fs::canonical(repository).string() + "/";
  for (const auto& entry : fs::directory_iterator(snapshot)) {
    std::error_code error;
    const fs::path target = fs::canonical(entry.path(), error);
    if (error || !target.string().starts_with(root))
      throw Error(entry.path().string() + ": leads outside " + repository.string());
  }
}

ModelFiles find_in_hub_cache(const std::string& name) {
  std::string folder = "models--" + name;
  folder.replace(folder.find('/'), 1, "--");
  const fs::path repository = hub_cache() / folder;
  std::ifstream ref(repository / "refs" / "main");
  std::string commit;
  if (!(ref >> commit) || commit.find('/') != std::string::npos || commit.starts_with("."))
    throw UsageError("model '" + name + "' is neither a path nor in the Hugging Face cache " +
                     hub_cache().string() + "; download it with: hf download " + name);
  const fs::path snapshot = repository / "snapshots" / commit;
  if (!fs::exists(snapshot / "config.json"))
    throw UsageError(snapshot.string() +
                     ": config.json is missing; download the model with: hf download " + name);
  check_links(snapshot, repository);
  return {name, snapshot.string(), "", name};
}

}  // namespace

fs::path cache_home() {
  const std::string xdg = environment("XDG_CACHE_HOME");
  return xdg.empty() ? fs::path(environment("HOME")) / ".cache" : fs::path(xdg);
}

ModelFiles find_model(const std::string& name) {
  if (name.empty())
    throw UsageError("the model's name is empty; expected a directory, a .gguf file or org/name");
  if (name == kDefaultModel) {
    const fs::path path = models_dir() / kDefaultFile;
    if (!fs::is_regular_file(path))
      throw UsageError("model '" + name + "': " + path.string() +
                       " is missing; run scripts/setup.sh to fetch it");
    return {name, "", path.string(), kDefaultRepository};
  }
  if (fs::is_directory(name)) {
    if (!fs::exists(fs::path(name) / "config.json"))
      throw UsageError("model '" + name +
                       "': config.json is missing; expected a Hugging Face directory");
    return {name, name, "", ""};
  }
  if (fs::is_regular_file(name)) {
    if (fs::path(name).extension() == ".gguf") return {name, "", name, ""};
    if (is_pickle(name)) throw UsageError("model '" + name + "': " + pickle_advice());
    throw UsageError("model '" + name + "': expected a .gguf file or a Hugging Face directory");
  }
  if (is_repository_name(name)) return find_in_hub_cache(name);
  throw UsageError("model '" + name +
                   "' does not exist; expected a Hugging Face directory, a .gguf "
                   "file, " +
                   kDefaultModel + " or org/name");
}

std::string source_repository(const ModelFiles& files) {
  if (!files.repository.empty() || files.gguf.empty()) return files.repository;
  const GgufHeader header = read_gguf_header(ReadFile(files.gguf));
  const std::string name = header.get_string("general.source.huggingface.repository", "");
  if (is_repository_name(name)) return name;
  const std::string hub = "https://huggingface.co/";
  for (const char* key : {"general.source.repo_url", "general.repo_url", "general.source.url"}) {
    const std::string url = header.get_string(key, "");
    if (url.starts_with(hub) && is_repository_name(url.substr(hub.size())))
      return url.substr(hub.size());
  }
  return "";
}

WeightIndex index_weights(const ModelFiles& files) {
  return files.gguf.empty() ? index_safetensors_dir(files.dir) : index_gguf(files.gguf);
}

std::vector<std::string> model_file_paths(const ModelFiles& files) {
  std::vector<std::string> paths;
  for (const ReadFile& file : index_weights(files).files) paths.push_back(file.path());
  if (files.dir.empty()) return paths;
  for (const char* name : {"config.json", "generation_config.json", "tokenizer.json",
                           "tokenizer.model", "tokenizer_config.json"})
    if (const fs::path path = fs::path(files.dir) / name; fs::exists(path))
      paths.push_back(path.string());
  return paths;
}

}  // namespace tptt
