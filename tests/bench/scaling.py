"""What `train --dry-run --world-size N` forecasts for N processes, beside what N processes on this machine, one thread each, then take.
usage: scaling.py TPTT MODEL TEXT"""
import os
import re
import statistics
import subprocess

from common import LORA, arguments, show, steps_of, tmp, write_rows

TOKENS, ROWS, STEPS = 256, 2, 4
PORT = 29600


def sent_bytes():
    """Bytes that this machine's processes have sent to each other."""
    for line in open("/proc/net/dev"):
        if line.strip().startswith("lo:"):
            return int(line.split(":")[1].split()[8])


def command(binary, config, *more):
    return [binary, "train", config, *more]


def forecast(binary, config, size):
    text = subprocess.run(command(binary, config, "--dry-run", "--world-size", str(size)), check=True, capture_output=True, text=True).stdout
    gb = float(re.search(r"([\d.]+) GB peak", text)[1])
    seconds = float(re.search(r"\(([\d.]+) s a step\)", text)[1])
    sends = re.search(r"sends ([\d.]+) MB", text)
    return gb, seconds, float(sends[1]) if sends else 0


def run(binary, config, size, number):
    """Peak GB of a process, seconds a step, MB that a process sent a step."""
    def start(steps, name):
        output = f"training.output_dir={tmp}/{name}"
        environment = [dict(os.environ, RANK=str(rank), WORLD_SIZE=str(size), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(PORT + number)) for rank in range(size)]
        before = sent_bytes()
        processes = [subprocess.Popen(command(binary, config, output, f"training.max_steps={steps}"), env=e, stderr=subprocess.DEVNULL) for e in environment]
        assert all(process.wait() == 0 for process in processes)
        return sent_bytes() - before, steps_of(tmp / name)

    few, _ = start(1, f"few{size}")
    many, steps = start(1 + STEPS, f"many{size}")
    return steps[-1]["peak_rss_gb"], statistics.median(s["step_seconds"] for s in steps[1:]), (many - few) / STEPS / size / 1e6


def main():
    binary, model, text = arguments(__doc__, 3)
    rows = write_rows(text, 6 * TOKENS, 40)
    config = tmp / "config.yaml"
    config.write_text(f"""
model: {{name_or_path: {model}, dtype: float32}}
lora: {LORA}
data: {{train: [{{path: {rows}}}], packing: false, completion_only_loss: false, max_length: {TOKENS}}}
training: {{output_dir: {tmp}/run, per_device_train_batch_size: {ROWS}, learning_rate: 5e-4, gradient_checkpointing: "false", num_threads: 1,
  report_to: [jsonl]}}
""")
    show("| processes | peak GB of each, forecast | measured | s a step, forecast | measured | MB sent a step by each, forecast | measured |\n|---|---|---|---|---|---|---|")
    for number, size in enumerate((1, 2, 4)):
        gb, seconds, sends = forecast(binary, config, size)
        real_gb, real_seconds, real_sends = run(binary, config, size, 2 * number)
        show(f"| {size} | {gb:.2f} | {real_gb:.2f} | {seconds:.2f} | {real_seconds:.2f} | {sends:.2f} | {real_sends:.2f} |")


main()
