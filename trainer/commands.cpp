#include "trainer/commands.h"

#include <c10/core/GradMode.h>

#include <cstdio>
#include <iostream>

#include "data/dataset.h"
#include "models/formats/error.h"
#include "models/formats/json.h"
#include "models/host_tensor.h"
#include "trainer/adapter.h"
#include "trainer/generate.h"
#include "trainer/load_model.h"

namespace tptt {
namespace {

std::string read_stdin() {
  return {std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
}

std::vector<std::vector<int64_t>> read_input_ids(const std::string& path, int64_t vocab_size) {
  const Json json = read_json_file(path);
  if (!json.is_object() || !json.contains("input_ids") || !json["input_ids"].is_array() ||
      json["input_ids"].empty())
    throw Error(path + ": expected {\"input_ids\": [[...], ...]}");
  std::vector<std::vector<int64_t>> rows;
  for (const Json& row : json["input_ids"]) {
    if (!row.is_array() || row.empty() || row.size() != json["input_ids"][0].size())
      throw Error(path + ": input_ids must be rows of one length");
    for (const Json& id : row)
      if (!id.is_number_unsigned() || id.get<uint64_t>() >= uint64_t(vocab_size))
        throw Error(path + ": ids must be from 0 to " + std::to_string(vocab_size - 1));
    rows.push_back(row.get<std::vector<int64_t>>());
  }
  return rows;
}

}  // namespace

void run_generate(const CommonFlags& common, const GenerateFlags& flags) {
  const LoadedModel loaded = load_model(common, true);
  const std::string prompt = flags.prompt.empty() ? read_stdin() : flags.prompt;
  TokenIds ids;
  if (flags.chat) {
    const std::string name = resolve_chat_template(flags.chat_template, *loaded.tokenizer);
    ids = encode_chat_prompt({{"user", prompt}}, *loaded.tokenizer,
                             loaded.model->config.first_eos(), name);
  } else {
    ids = encode_prompt(prompt, *loaded.tokenizer);
  }
  if (ids.empty()) throw UsageError("--prompt is empty; expected text");
  GenerateOptions options{flags.max_new_tokens, flags.temperature, flags.top_p,
                          uint64_t(flags.seed), parse_branch(common.branch)};
  StreamDecoder stream(*loaded.tokenizer);
  generate(*loaded.model, {ids}, options,
           [&](size_t, int32_t id) { std::cout << stream.push(id) << std::flush; });
  std::cout << stream.finish() << std::endl;
}

void run_logits(const CommonFlags& common, const std::string& input_ids,
                const std::string& output) {
  const LoadedModel loaded = load_model(common, false);
  const CausalLM& model = *loaded.model;
  const auto rows = read_input_ids(input_ids, model.config.vocab_size);
  std::vector<int64_t> ids, lengths;
  for (const auto& row : rows) {
    ids.insert(ids.end(), row.begin(), row.end());
    lengths.push_back(int64_t(row.size()));
  }
  c10::AutoGradMode no_grad(false);
  const AttentionContext context = model.context(lengths, {.branch = parse_branch(common.branch)});
  const at::Tensor logits = model.logits(model.hidden(host_tensor(ids, model.device()), context));
  write_tensors(output, {{"logits", logits.view({int64_t(rows.size()), lengths[0], -1})}});
}

void run_tokenize(const std::string& model, bool decode, bool special) {
  const auto tokenizer = load_tokenizer(find_model(model));
  size_t line_number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    const std::string where = "stdin:" + std::to_string(++line_number);
    if (!decode) {
      std::cout << Json(tokenizer->encode(line, special)).dump() << "\n";
      continue;
    }
    const Json ids = parse_json(line, where);
    if (!ids.is_array()) throw Error(where + ": expected a JSON array of token ids");
    for (const Json& id : ids)
      if (!id.is_number_unsigned() || id.get<uint64_t>() >= uint64_t(tokenizer->vocab_size()))
        throw Error(where + ": ids must be from 0 to " +
                    std::to_string(tokenizer->vocab_size() - 1));
    std::cout << tokenizer->decode(ids.get<TokenIds>(), !special) << "\n";
  }
}

}  // namespace tptt
