#include "trainer/run_text.h"

#include <algorithm>
#include <cmath>

#include "trainer/number_text.h"

namespace tptt {
namespace {

std::string line(const char* name, const std::string& text) {
  return format_text("  %-11s ", name) + text + "\n";
}

std::string arrow(const std::pair<double, double>& ends) {
  return rounded(ends.first) + " -> " + rounded(ends.second);
}

std::string quoted(const std::string& word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return c < 0x80 &&
           (std::isalnum(c) || std::string("_./-:=@%+,").find(char(c)) != std::string::npos);
  });
  if (plain) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::string data_line(const RunHead& head) {
  std::string text = grouped(head.train_rows) + " rows, " + grouped(head.train_tokens) + " tokens";
  if (head.packs > 0) text += " in " + grouped(head.packs) + (head.packs == 1 ? " pack" : " packs");
  return text;
}

}  // namespace

std::string head_text(const RunHead& head) {
  const double share =
      100 * double(head.trainable_parameters) / double(std::max<int64_t>(head.total_parameters, 1));
  return "tptt " + head.version + " trains " + head.model + "\n" + line("method", head.method) +
         line("parameters", grouped(head.total_parameters) + ", of which " +
                                grouped(head.trainable_parameters) + " are trained" +
                                format_text(" (%.2g%%)", share)) +
         line("data", data_line(head)) +
         (head.eval_rows > 0 ? line("evaluation", grouped(head.eval_rows) + " rows") : "") +
         line("steps", grouped(head.steps) + " of about " + grouped(head.tokens_per_step) +
                           " tokens, " + format_text("%.3g epochs", head.epochs)) +
         line("compute", head.dtype + " on " + head.device + ", " + std::to_string(head.threads) +
                             (head.threads == 1 ? " thread" : " threads")) +
         line("output", head.output_dir);
}

std::string summary_text(const RunSummary& s) {
  std::string out =
      "done: " + grouped(s.steps) + " steps, " + grouped(s.tokens) + " tokens in " +
      duration_text(s.seconds) + "\n" +
      line("speed", grouped(std::llround(s.tokens_per_second)) + " tokens/s, peak memory " +
                        format_text("%.2f GB", s.peak_rss_gb));
  if (s.loss) out += line("loss", arrow(*s.loss));
  if (s.eval_loss)
    out += line("eval loss",
                arrow(*s.eval_loss) +
                    (s.eval_interval ? " (" + rounded(s.eval_loss->second - s.eval_loss->first) +
                                           "; 95% " + rounded(s.eval_interval->first) + " to " +
                                           rounded(s.eval_interval->second) + ")"
                                     : ""));
  out += line("adapter", s.adapter);
  if (!s.report.empty()) out += line("report", s.report);
  return out + line("try it", s.command);
}

std::string eval_text(double loss) {
  return "eval loss " + rounded(loss) + ", perplexity " + rounded(std::exp(loss));
}

std::string generate_command(const std::string& model, const std::string& adapter,
                             const std::string& chat_template, const std::string& prompt) {
  const std::string chat =
      chat_template.empty() ? "" : "--chat --chat-template " + quoted(chat_template) + " ";
  return "tptt generate " + quoted(model) + " --adapter " + quoted(adapter) +
         " \\\n                " + chat + "--prompt " + quoted(prompt);
}

}  // namespace tptt
