#include "trainer/dry_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "models/formats/error.h"
#include "trainer/block_cache.h"
#include "trainer/forecast.h"
#include "trainer/run_head.h"
#include "trainer/runtime.h"
#include "trainer/train_step.h"

namespace tptt {

namespace {

// What a process of several sends a step, in a ring: all but its own part of the gradients twice.
double sent_bytes(double gradients, int64_t processes) {
  return 2 * gradients * double(processes - 1) / double(processes);
}

void print_shared(const RunHead& head, int64_t processes) {
  const double gradients = double(head.trainable_parameters) * sizeof(float);
  std::printf(
      "of %ld processes, each with a device like this one: %.2f MB of gradients, of which each "
      "sends %.2f MB a step\n",
      long(processes), gradients / 1e6, sent_bytes(gradients, processes) / 1e6);
}

}  // namespace

void dry_run(TrainingSetup& s) {
  if (s.config.liza) s.config.liza->transfer_steps = 0;  // LoRA's take longer and more memory
  const LargestStep largest = largest_step(s.config, s.data);
  compute_step(s, largest.step);
  const auto start = std::chrono::steady_clock::now();
  const StepResult r = compute_step(s, largest.step);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (!std::isfinite(r.loss)) throw Error("dry run: the loss is not finite");
  const RunHead head = describe_run(s);
  const double mean = double(head.train_tokens) / double(steps_per_epoch(s.config, s.data));
  const double per_step = seconds * mean / double(std::max<int64_t>(largest.tokens, 1));
  const double waiting = waiting_bytes(largest, double(block_cache_use().peak));
  if (!s.group.is_main()) return;
  std::printf(
      "configuration is valid: %ld steps of up to %ld tokens, %ld trainable parameters, %s on %s\n"
      "forecast, from the largest step: %.2f GB peak memory, %.0f s of training (%.2f s a step)\n",
      long(head.steps), long(largest.tokens), long(head.trainable_parameters), head.dtype.c_str(),
      head.device.c_str(), peak_rss_gb() + waiting / 1e9, per_step * double(head.steps), per_step);
  if (s.share.size > 1) print_shared(head, s.share.size);
}

}  // namespace tptt
