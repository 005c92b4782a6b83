#include "trainer/config_reader.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "models/formats/error.h"
#include "trainer/config_keys.h"
#include "trainer/config_text.h"

namespace tptt {
namespace {

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

[[noreturn]] void fail(const YamlNode& node, const std::string& key, const std::string& what) {
  throw UsageError(node.where + ": " + (key.empty() ? "" : "key '" + key + "' ") + what);
}

[[noreturn]] void fail_type(const YamlNode& node, const std::string& key, const char* expected) {
  fail(node, key, std::string("must be ") + expected + ", got " + describe(node));
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

// Only what JSON also calls a number: 010, 1_000, 0x10, .5 and .inf mean different things to
// different YAML readers.
bool is_number(const std::string& text, bool whole) {
  const auto digits = [&text](size_t& at) {
    const size_t start = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
    return at - start;
  };
  size_t at = !text.empty() && text[0] == '-' ? 1 : 0;
  const size_t first = at;
  const size_t count = digits(at);
  if (count == 0 || (count > 1 && text[first] == '0')) return false;
  if (whole) return at == text.size();
  if (at < text.size() && text[at] == '.') {
    if (digits(++at) == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits(at) == 0) return false;
  }
  return at == text.size();
}

std::string range_text(const Rule& rule) {
  const bool low = std::isfinite(rule.min), high = std::isfinite(rule.max);
  const std::string above = (rule.open_min ? "above " : "at least ") + number_to_yaml(rule.min);
  const std::string below = (rule.open_max ? "below " : "at most ") + number_to_yaml(rule.max);
  return low && high ? above + " and " + below : low ? above : below;
}

template <class Number>
Number parse_number(const YamlNode& node, const std::string& key, const Rule& rule) {
  constexpr bool kWhole = std::is_integral_v<Number>;
  if (node.kind != YamlNode::Kind::Scalar || !node.plain || !is_number(node.text, kWhole)) {
    fail_type(node, key, kWhole ? "a whole number" : "a number");
  }
  Number value{};
  const auto [end, error] =
      std::from_chars(node.text.data(), node.text.data() + node.text.size(), value);
  if (error != std::errc()) fail(node, key, "is out of range: " + describe(node));
  const double wide = static_cast<double>(value);
  if (wide < rule.min || wide > rule.max || (rule.open_min && wide == rule.min) ||
      (rule.open_max && wide == rule.max)) {
    fail(node, key, "must be " + range_text(rule) + ", got " + describe(node));
  }
  return value;
}

void read_value(const YamlNode& node, const std::string& key, const Rule& rule, int64_t& to) {
  to = parse_number<int64_t>(node, key, rule);
}

void read_value(const YamlNode& node, const std::string& key, const Rule& rule,
                std::optional<int64_t>& to) {
  const bool none = node.kind == YamlNode::Kind::Scalar && node.text == "none";
  to = none ? std::nullopt : std::optional(parse_number<int64_t>(node, key, rule));
}

void read_value(const YamlNode& node, const std::string& key, const Rule& rule, double& to) {
  to = parse_number<double>(node, key, rule);
}

void read_value(const YamlNode& node, const std::string& key, const Rule&, bool& to) {
  const bool is_bool = node.kind == YamlNode::Kind::Scalar && node.plain &&
                       (node.text == "true" || node.text == "false");
  if (!is_bool) fail_type(node, key, "true or false");
  to = node.text == "true";
}

void read_value(const YamlNode& node, const std::string& key, const Rule& rule, std::string& to) {
  if (node.kind != YamlNode::Kind::Scalar) fail_type(node, key, "a text");
  const auto listed = [&node](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), node.text) != names.end();
  };
  if (!rule.choices.empty() && !listed(rule.choices) && !(rule.fits && rule.fits(node.text))) {
    const std::string allowed = "expected one of " + join(rule.choices) +
                                (rule.fits ? std::string(", ") + rule.fits_text : "");
    if (listed(rule.not_yet)) fail(node, key, node.text + " is not supported yet: " + allowed);
    fail(node, key, "cannot be " + describe(node) + ": " + allowed);
  }
  if (rule.choices.empty() && node.plain && is_ambiguous_plain(node.text)) {
    fail(node, key, "must be a text, got " + describe(node) + ": put it in quotes if it is one");
  }
  if (rule.required && node.text.empty()) fail(node, key, "must not be empty");
  to = node.text;
}

// A list of names, or of some of the rule's choices, without repetition.
void read_names(const YamlNode& node, const std::string& key, const std::string& expected,
                std::vector<std::string>& to, const Rule& rule = {.required = true}) {
  if (node.kind != YamlNode::Kind::List) fail_type(node, key, expected.c_str());
  to.clear();
  for (const YamlNode& item : node.items) {
    std::string& name = to.emplace_back();
    read_value(item, key, rule, name);
    if (std::count(to.begin(), to.end(), name) > 1) fail(item, key, "lists " + name + " twice");
  }
}

void refuse_among_others(const YamlNode& node, const std::string& key, const std::string& all,
                         const std::vector<std::string>& names) {
  if (names.size() > 1 && std::count(names.begin(), names.end(), all) != 0)
    fail(node, key, "takes " + all + " alone, without other names");
}

// A list of names, or, where the rule has one, the word alone that stands for all of them.
void read_value(const YamlNode& node, const std::string& key, const Rule& rule,
                std::vector<std::string>& to) {
  if (rule.choices.empty()) return read_names(node, key, "a list of names", to);
  if (rule.any_of) {
    read_names(node, key, "a list of some of " + join(rule.choices), to,
               Rule{.choices = rule.choices});
    if (to.empty()) fail(node, key, "must not be an empty list");
    return;
  }
  const std::string& all = rule.choices.front();
  if (node.kind == YamlNode::Kind::Scalar && node.text == all) {
    to = {all};
    return;
  }
  read_names(node, key, "a list of names or " + all, to);
  if (to.empty()) fail(node, key, "must not be an empty list");
  refuse_among_others(node, key, all, to);
}

void read_value(const YamlNode& node, const std::string& key, const Rule&, ModuleNames& to) {
  to = {};
  if (node.kind == YamlNode::Kind::Scalar)
    return read_value(node, key, Rule{.required = true}, to.text);
  read_names(node, key, "a list of names, a regular expression or all-linear", to.names);
  if (to.names == std::vector<std::string>{kAllLinear}) to = {{}, kAllLinear};
  refuse_among_others(node, key, kAllLinear, to.names);
}

void read_value(const YamlNode& node, const std::string& key, const Rule& rule,
                std::vector<int64_t>& to) {
  if (node.kind != YamlNode::Kind::List) fail_type(node, key, "a list of whole numbers");
  to.clear();
  for (const YamlNode& item : node.items) to.push_back(parse_number<int64_t>(item, key, rule));
}

template <class Number>
void read_value(const YamlNode& node, const std::string& key, const Rule& rule,
                Patterns<Number>& to) {
  if (node.kind != YamlNode::Kind::Map) fail_type(node, key, "a map of patterns to numbers");
  to.clear();
  for (size_t i = 0; i < node.keys.size(); ++i)
    to.emplace_back(node.keys[i].text, parse_number<Number>(node.items[i], key, rule));
}

void read_value(const YamlNode& node, const std::string& key, const Rule& rule,
                std::vector<double>& to) {
  if (node.kind != YamlNode::Kind::List) fail_type(node, key, "a list of numbers");
  to.clear();
  for (const YamlNode& item : node.items) to.push_back(parse_number<double>(item, key, rule));
}

/// What one reading of a tree shares.
struct Reading {
  bool from_adapter = false;
  /// About the first required key that is missing: told last, since a misspelt key explains it.
  std::string missing = {};
};

template <Section Item>
void read_value(const YamlNode& node, const std::string& key, const Rule& rule,
                std::vector<Item>& to, Reading& reading);
void read_value(const YamlNode& node, const std::string& key, const Rule& rule,
                std::optional<LizaConfig>& to, Reading& reading);

/// Passed to visit_keys: reads each key that the node has.
struct KeyReader {
  const YamlNode& node;
  const std::string& prefix;
  Reading& reading;
  std::vector<std::string> known = {};

  template <class Value>
  void operator()(const char* name, Value& to, const Rule& rule, const char* meaning) {
    if (rule.adapter_only && !reading.from_adapter) return;
    known.push_back(name);
    const std::string key = prefix + name;
    const YamlNode* value = node.find(name);
    if constexpr (Section<Value>) {
      YamlNode absent;  // still read: it may lack required keys
      absent.kind = YamlNode::Kind::Map;
      absent.where = node.where;
      read_section(value ? *value : absent, key + ".", to, reading);
    } else if (!value) {
      if (rule.required && reading.missing.empty()) {
        reading.missing = node.where + ": key '" + key + "' is required: " + meaning;
      }
    } else if constexpr (requires { read_value(*value, key, rule, to, reading); }) {
      read_value(*value, key, rule, to, reading);
    } else {
      read_value(*value, key, rule, to);
    }
  }

  void refuse_unknown() const {
    for (const YamlNode& key : node.keys) {
      if (std::find(known.begin(), known.end(), key.text) != known.end()) continue;
      const auto nearest = std::min_element(
          known.begin(), known.end(), [&key](const std::string& a, const std::string& b) {
            return edit_distance(a, key.text) < edit_distance(b, key.text);
          });
      // A long name is no misspelling, and the comparison takes its length times a key's.
      constexpr size_t kLongest = 64;
      if (key.text.size() > kLongest) {
        fail(key, prefix + key.text.substr(0, kLongest) + "...", "is unknown");
      }
      fail(key, prefix + key.text,
           "is unknown; did you mean '" + *nearest + "'? Known keys: " + join(known));
    }
  }

  template <Section Struct>
  static void read_section(const YamlNode& node, const std::string& prefix, Struct& to,
                           Reading& reading) {
    if (node.kind != YamlNode::Kind::Map) {
      fail_type(node, prefix.substr(0, prefix.find_last_of('.')), "a map of keys");
    }
    KeyReader names{node, prefix, reading};
    const auto collect = [&](const char* name, auto&, const Rule& rule, const char*) {
      if (!rule.adapter_only || reading.from_adapter) names.known.push_back(name);
    };
    visit_keys(to, collect);
    names.refuse_unknown();
    visit_keys(to, KeyReader{node, prefix, reading});
  }
};

template <Section Item>
void read_value(const YamlNode& node, const std::string& key, const Rule& rule,
                std::vector<Item>& to, Reading& reading) {
  const std::string expected = "a list of " + keys_of<Item>();
  if (node.kind != YamlNode::Kind::List) fail_type(node, key, expected.c_str());
  to.clear();
  for (const YamlNode& item : node.items) {
    if (item.kind != YamlNode::Kind::Map) fail_type(item, key, expected.c_str());
    KeyReader::read_section(item, key + ".", to.emplace_back(), reading);
  }
  if (rule.required && to.empty()) fail(node, key, "must not be an empty list");
}

// The implementation decides what the other keys start from.
LizaConfig defaults_for(const YamlNode& liza) {
  const YamlNode* implementation = liza.find("implementation");
  const bool is_tptt = implementation && implementation->text == "tptt";
  return default_liza(is_tptt ? "tptt" : "exact");
}

void read_value(const YamlNode& node, const std::string& key, const Rule&,
                std::optional<LizaConfig>& to, Reading& reading) {
  if (node.kind == YamlNode::Kind::Scalar && node.text == "none") {
    to.reset();
    return;
  }
  if (node.kind != YamlNode::Kind::Map) {
    fail_type(node, key, "a map of keys ({}: all defaults), or none");
  }
  KeyReader::read_section(node, key + ".", to.emplace(defaults_for(node)), reading);
}

/// The node at a dotted path, or the nearest one above it: where to point in a message.
const YamlNode& nearest_node(const YamlNode& root, const std::string& path) {
  const YamlNode* node = &root;
  for (size_t start = 0; start < path.size();) {
    const size_t end = std::min(path.find('.', start), path.size());
    const YamlNode* child = node->find(path.substr(start, end - start));
    if (!child) break;
    node = child;
    start = end + 1;
  }
  return *node;
}

void check_mag(const YamlNode& root, const std::string& prefix, const MagConfig& mag) {
  if (has_learned_gate(mag) && (mag.mag_weight <= 0 || mag.mag_weight >= 1)) {
    const std::string key = prefix + "mag_weight";
    fail(nearest_node(root, key), key,
         "must be above 0 and below 1 with mode " + mag.mode + ", got " +
             number_to_yaml(mag.mag_weight));
  }
  if (mag.mode == "cyclic" && mag.weight_list.empty()) {
    const std::string key = prefix + "weight_list";
    fail(nearest_node(root, key), key, "is needed with mode cyclic: a list of weights, one a step");
  }
}

// A number of steps, or a share of all.
void check_steps(const YamlNode& root, const std::string& key, double steps) {
  if (steps >= 1 && std::floor(steps) != steps)
    fail(nearest_node(root, key), key,
         "must be a whole number of steps or a fraction below 1, got " + number_to_yaml(steps));
}

void check_liza(const YamlNode& root, const std::string& prefix, const LizaConfig& liza) {
  check_mag(root, prefix + "mag.", liza.mag);
  const auto refuse = [&](const char* key, const std::string& what) {
    fail(nearest_node(root, prefix + key), prefix + key, what);
  };
  if (liza.implementation == "tptt") {
    const OperatorMode& mode = find_operator_mode(liza.operator_mode);
    const char* own = mode.beta == Gate::learned       ? "operator_mode"
                      : liza.branch_scale == "learned" ? "branch_scale"
                                                       : nullptr;
    if (own) refuse(own, "is not what the Python package has: use it with implementation: exact");
  }
  check_steps(root, prefix + "transfer_steps", liza.transfer_steps);
  if (liza.transfer_steps > 0 && !liza.max_self_attn_length)
    refuse("transfer_steps", "needs max_self_attn_length: the memory learns what a window lacks");
  if (liza.transfer_steps > 0 && !has_learned_gate(liza.mag))
    refuse("transfer_steps",
           "needs mag.mode token or learned, "
           "whose gates learn where the memory is of use");
  if ((liza.mag.mode == "token") != (liza.branch_scale == "learned"))
    refuse("branch_scale", "learned and mag.mode: token go together: got branch_scale: " +
                               liza.branch_scale + " and mag.mode: " + liza.mag.mode);
  if (liza.base_scale_attn && liza.branch_scale != "none")
    refuse("base_scale_attn", "needs branch_scale: none, since both set the memory's size");
  if (has_learned_gate(liza.mag) && (liza.cross_gate || liza.base_scale_attn))
    refuse(liza.cross_gate ? "cross_gate" : "base_scale_attn",
           "does not go with mag.mode: " + liza.mag.mode +
               ", whose gates mix before the output projection");
}

void check_data(const YamlNode& root, const DataSection& data) {
  const auto refuse = [&root](const std::string& key, const std::string& what) {
    fail(nearest_node(root, key), key, what);
  };
  if (data.eval_split > 0 && !data.eval.empty())
    refuse("data.eval_split", "does not go with data.eval, which holds rows out: name one of them");
  if (data.eval_split >= 1 && std::floor(data.eval_split) != data.eval_split)
    refuse("data.eval_split", "must be a whole number of rows or a fraction below 1, got " +
                                  number_to_yaml(data.eval_split));
  for (const DataFile& file : data.eval)
    if (file.weight != 1) refuse("data.eval", "takes no weight: held-out rows are scored once");
  if (data.group_by_length && data.packing)
    refuse("data.group_by_length",
           "has no effect with data.packing, whose packs are of like length");
  if (data.group_by_length && !data.shuffle)
    refuse("data.group_by_length", "orders the rows anew: it does not go with data.shuffle: false");
}

void check_branches(const YamlNode& root, const Config& config) {
  const auto& branches = config.evaluation.branches;
  const auto has = [&](const char* name) {
    return std::count(branches.begin(), branches.end(), name);
  };
  const auto refuse = [&root](const std::string& what) {
    fail(nearest_node(root, "evaluation.branches"), "evaluation.branches", what);
  };
  if (!has("mixed")) refuse("must have mixed, the model as it is used");
  if (has("linear") && !config.liza) refuse("has linear, which needs a memory: add liza");
  if (has("window") && (!config.liza || !config.liza->max_self_attn_length))
    refuse("has window, which needs liza.max_self_attn_length");
}

void check_across(const YamlNode& root, const Config& config) {
  check_data(root, config.data);
  if (config.liza) check_liza(root, "liza.", *config.liza);
  if (config.liza && config.liza->implementation == "tptt" && config.data.packing) {
    fail(nearest_node(root, "liza.implementation"), "liza.implementation",
         "tptt knows no boundaries between packed examples: set data.packing to false, or use "
         "exact");
  }
  if (config.lora.target_modules.empty())
    fail(nearest_node(root, "lora.target_modules"), "lora.target_modules",
         "must not be an empty list");
  const TrainingSection& training = config.training;
  const auto refuse = [&root](const std::string& key, const std::string& what) {
    fail(nearest_node(root, key), key, what);
  };
  check_steps(root, "training.warmup_steps", training.warmup_steps);
  const bool has_eval = !config.data.eval.empty() || config.data.eval_split > 0;
  const bool evaluates = has_eval && training.eval_strategy != "no";
  const auto needs_eval = [&](bool set, const char* key) {
    if (set && !evaluates)
      refuse(std::string("training.") + key,
             training.eval_strategy == "no" ? "needs evaluations, and training.eval_strategy is no"
                                            : "needs data.eval or data.eval_split: name the "
                                              "held-out files there, or leave it out");
  };
  needs_eval(training.eval_steps > 0 && training.eval_strategy != "no", "eval_steps");
  needs_eval(training.early_stopping_patience > 0, "early_stopping_patience");
  needs_eval(training.load_best_model_at_end, "load_best_model_at_end");
  check_branches(root, config);
  if (reports_to(training, "html") && !reports_to(training, "jsonl"))
    refuse("training.report_to", "has html, which is drawn from metrics.jsonl: add jsonl");
}

}  // namespace

Config config_from_tree(const YamlNode& root) {
  Config config;
  Reading reading;
  KeyReader::read_section(root, "", config, reading);
  if (!reading.missing.empty()) throw UsageError(reading.missing);
  check_across(root, config);
  return config;
}

LizaConfig liza_from_tree(const YamlNode& root) {
  LizaConfig liza = defaults_for(root);
  Reading reading{.from_adapter = true};
  KeyReader::read_section(root, "", liza, reading);
  check_liza(root, "", liza);
  if (liza.mag.effective_weight < 0) liza.mag.effective_weight = liza.mag.mag_weight;
  return liza;
}

}  // namespace tptt
