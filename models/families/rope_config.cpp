#include <cmath>

#include "models/families/family.h"
#include "models/formats/error.h"

namespace tptt {
namespace {

double mscale(double factor, double scale) {
  return factor <= 1 ? 1 : 0.1 * scale * std::log(factor) + 1;
}

// What cos and sin are multiplied by where the file does not say.
double default_attention_factor(const RopeConfig& r, const ConfigReader& rope) {
  if (r.rope_type == "yarn") {
    const double scale = rope.number("mscale", 0), all_dim = rope.number("mscale_all_dim", 0);
    return scale != 0 && all_dim != 0 ? mscale(r.factor, scale) / mscale(r.factor, all_dim)
                                      : mscale(r.factor, 1);
  }
  if (r.rope_type == "longrope" && r.factor > 1)
    return std::sqrt(1 + std::log(r.factor) / std::log(double(r.original_max_position_embeddings)));
  return 1;
}

void check_factors(const std::vector<double>& factors, int64_t count, const std::string& what) {
  if (int64_t(factors.size()) != count)
    throw Error(what + " must have " + std::to_string(count) + " numbers, one a frequency");
  for (const double factor : factors)
    if (!(factor > 0)) throw Error(what + " must be above 0");
}

void validate(const RopeConfig& r, const std::string& where) {
  if (r.rotary_dim < 2 || r.rotary_dim % 2 != 0)
    throw Error(where + ": head_dim must be even for RoPE, got " + std::to_string(r.rotary_dim));
  if (!(r.rope_theta > 0) || !(r.factor > 0))
    throw Error(where + ": rope_theta and factor must be above 0");
  const bool needs_original =
      r.rope_type == "llama3" || r.rope_type == "yarn" || r.rope_type == "longrope";
  if (needs_original && r.original_max_position_embeddings < 2)
    throw Error(where + ": rope_type " + r.rope_type +
                " needs original_max_position_embeddings above 1");
  if (r.rope_type == "llama3" &&
      (r.high_freq_factor <= r.low_freq_factor || r.low_freq_factor <= 0))
    throw Error(where + ": rope_type llama3 needs 0 < low_freq_factor < high_freq_factor");
  if (r.rope_type == "yarn" &&
      (r.beta_slow <= 0 || r.beta_fast <= r.beta_slow || r.rope_theta == 1))
    throw Error(where + ": rope_type yarn needs 0 < beta_slow < beta_fast");
  if (r.rope_type == "dynamic" && r.max_position_embeddings < 1)
    throw Error(where + ": rope_type dynamic needs max_position_embeddings");
  if (r.rope_type == "dynamic" && r.rotary_dim < 4)
    throw Error(where + ": rope_type dynamic needs a head_dim above 2");
  if (!r.freq_factors.empty())
    check_factors({r.freq_factors.begin(), r.freq_factors.end()}, r.rotary_dim / 2,
                  where + ": freq_factors");
  if (r.rope_type == "longrope") {
    check_factors(r.short_factor, r.rotary_dim / 2, where + ": short_factor");
    check_factors(r.long_factor, r.rotary_dim / 2, where + ": long_factor");
  }
}

}  // namespace

RopeConfig read_rope_object(const ConfigReader& rope, const ConfigReader& json, int64_t head_dim,
                            double default_theta) {
  RopeConfig r;
  r.rope_type = rope.string("rope_type", rope.string("type", "default"));
  // Phi 3's names for longrope before it had one.
  if (r.rope_type == "su" || (r.rope_type == "yarn" && rope.has("long_factor")))
    r.rope_type = "longrope";
  bool known = false;
  for (const char* type : {"default", "linear", "dynamic", "yarn", "llama3", "longrope"})
    known |= r.rope_type == type;
  if (!known)
    throw Error(rope.where() + ": rope_type '" + r.rope_type +
                "' is not supported; known: default, linear, dynamic, yarn, llama3, longrope");
  r.rope_theta = rope.number("rope_theta", json.number("rope_theta", default_theta));
  const double part =
      rope.number("partial_rotary_factor", json.number("partial_rotary_factor", 1.0));
  if (part != 1 && r.rope_type == "default" && json.string("model_type", "") != "phi3")
    throw Error(rope.where() +
                ": partial_rotary_factor must be 1: of these families Transformers "
                "heeds it for phi3 alone");
  if (!(part > 0) || part > 1)
    throw Error(rope.where() + ": partial_rotary_factor must be above 0 and at most 1");
  check_size(rope.where(), "head_dim", head_dim, 65536);
  r.rotary_dim = int64_t(double(head_dim) * part);
  r.max_position_embeddings = json.integer("max_position_embeddings", 0);
  // A model's own key goes before the one inside, as in Transformers.
  r.original_max_position_embeddings =
      json.integer("original_max_position_embeddings",
                   rope.integer("original_max_position_embeddings", r.max_position_embeddings));
  const bool ratio = (r.rope_type == "longrope" || r.rope_type == "yarn") && !rope.has("factor") &&
                     r.original_max_position_embeddings > 0;
  r.factor = rope.number(
      "factor",
      ratio ? double(r.max_position_embeddings) / double(r.original_max_position_embeddings) : 1.0);
  r.low_freq_factor = rope.number("low_freq_factor", r.low_freq_factor);
  r.high_freq_factor = rope.number("high_freq_factor", r.high_freq_factor);
  r.beta_fast = rope.number("beta_fast", r.beta_fast);
  r.beta_slow = rope.number("beta_slow", r.beta_slow);
  r.truncate = rope.boolean("truncate", true);
  r.short_factor = rope.numbers("short_factor");
  r.long_factor = rope.numbers("long_factor");
  for (const double factor : rope.numbers("freq_factors"))  // from GGUF only
    r.freq_factors.push_back(float(factor));
  validate(r, rope.where());
  if (r.rope_type == "yarn" || r.rope_type == "longrope")
    r.attention_factor = rope.number("attention_factor", default_attention_factor(r, rope));
  return r;
}

RopeConfig read_rope(const ConfigReader& json, int64_t head_dim, double default_theta) {
  for (const char* key : {"rope_scaling", "rope_parameters"})
    if (json.has(key)) return read_rope_object(json.object(key), json, head_dim, default_theta);
  static const Json none = Json::object();
  return read_rope_object({none, json.where()}, json, head_dim, default_theta);
}

}  // namespace tptt
