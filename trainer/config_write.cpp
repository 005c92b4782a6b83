#include <algorithm>
#include <charconv>

#include "models/formats/json.h"
#include "trainer/config.h"
#include "trainer/config_keys.h"

namespace tptt {
namespace {

// JSON scalars and flow collections are YAML that the strict reader takes back.
std::string text_of(const std::string& value) {
  return Json(value).dump();
}
std::string text_of(bool value) {
  return value ? "true" : "false";
}
std::string text_of(int64_t value) {
  return std::to_string(value);
}
std::string text_of(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}
std::string text_of(const std::vector<std::string>& value) {
  return Json(value).dump();
}
std::string text_of(const std::vector<DataFile>& files) {
  std::string text = "[";
  for (const DataFile& f : files)
    text += (text.size() > 1 ? ", " : "") + std::string("{path: ") + text_of(f.path) +
            ", format: " + f.format + ", limit: " + text_of(f.limit) + "}";
  return text + "]";
}

struct Leaf {
  std::string path;  // dotted
  std::string value;
  bool may_change;
};

template <class T>
void leaves(const T& section, const std::string& path, std::vector<Leaf>& out) {
  visit_keys(section, [&](const char* name, const auto& member, const Rule& rule, const char*) {
    const std::string full = path.empty() ? name : path + "." + name;
    using M = std::remove_cvref_t<decltype(member)>;
    if constexpr (Section<M>) {
      leaves(member, full, out);
    } else if constexpr (std::same_as<M, std::optional<LizaConfig>>) {
      if (member) {
        leaves(*member, full, out);
      } else {
        out.push_back({full, "none", false});
      }
    } else if (!rule.adapter_only) {
      out.push_back({full, text_of(member), rule.may_change});
    }
  });
}

std::vector<Leaf> leaves(const Config& config) {
  std::vector<Leaf> out;
  leaves(config, "", out);
  return out;
}

template <class T>
void reference(const T& section, const std::string& path, std::string& out) {
  visit_keys(section, [&](const char* name, const auto& member, const Rule& rule, const char* doc) {
    const std::string full = path.empty() ? name : path + "." + name;
    using M = std::remove_cvref_t<decltype(member)>;
    if constexpr (Section<M>) {
      reference(member, full, out);
    } else if constexpr (std::same_as<M, std::optional<LizaConfig>>) {
      out += "| `" + full + "` | none | " + doc + " |\n";
      reference(LizaConfig(), full, out);
    } else if (!rule.adapter_only) {
      std::string choices;
      for (const auto& choice : rule.choices) choices += (choices.empty() ? " (" : ", ") + choice;
      if (!choices.empty()) choices += rule.fits ? std::string(", ") + rule.fits_text + ")" : ")";
      out += "| `" + full + "` | " + (rule.required ? "required" : "`" + text_of(member) + "`") +
             " | " + doc + choices + " |\n";
    }
  });
}

template <class T>
Json to_json(const T& section) {
  Json json = Json::object();
  visit_keys(section, [&](const char* name, const auto& member, const Rule&, const char*) {
    if constexpr (Section<std::remove_cvref_t<decltype(member)>>) {
      json[name] = to_json(member);
    } else {
      json[name] = member;
    }
  });
  return json;
}

}  // namespace

std::string to_yaml(const Config& config) {
  std::string yaml;
  std::vector<std::string> open;  // sections the previous line lies in
  for (const Leaf& leaf : leaves(config)) {
    std::vector<std::string> parts;
    size_t begin = 0;
    for (size_t dot; (dot = leaf.path.find('.', begin)) != std::string::npos; begin = dot + 1)
      parts.push_back(leaf.path.substr(begin, dot - begin));
    size_t same = 0;
    while (same < open.size() && same < parts.size() && open[same] == parts[same]) ++same;
    for (size_t i = same; i < parts.size(); ++i) yaml += std::string(2 * i, ' ') + parts[i] + ":\n";
    open = parts;
    yaml += std::string(2 * parts.size(), ' ') + leaf.path.substr(begin) + ": " + leaf.value + "\n";
  }
  return yaml;
}

std::string config_reference() {
  std::string text = "| key | default | meaning |\n|---|---|---|\n";
  reference(Config(), "", text);
  DataFile file;
  reference(file, "data.train[]", text);
  return text;
}

std::vector<std::string> resume_conflicts(const Config& before, const Config& now) {
  const std::vector<Leaf> a = leaves(before), b = leaves(now);
  std::vector<std::string> names;
  for (const Leaf& leaf : b) {
    if (leaf.may_change) continue;
    const auto same = [&](const Leaf& other) { return other.path == leaf.path; };
    const auto it = std::find_if(a.begin(), a.end(), same);
    if (it == a.end() || it->value != leaf.value) names.push_back(leaf.path);
  }
  if (before.liza.has_value() != now.liza.has_value()) names = {"liza"};
  return names;
}

std::string liza_to_json(const LizaConfig& liza) {
  return to_json(liza).dump(2) + "\n";
}

}  // namespace tptt
