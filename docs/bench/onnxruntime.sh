#!/usr/bin/env bash
# onnxruntime-cpu through bh-run against a plain Python loop over the same ONNX files, the same library version, threads and
# CPUs, in turns, so that a drift of the machine hits both. Prints the medians and their ratio with a 95% bootstrap interval.
#
#   docs/bench/onnxruntime.sh [ROUNDS] > docs/bench/onnxruntime.txt
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-6}
threads=2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
test -x bin/bh-run || make --no-print-directory tools >&2
version=$(sed -n 's/^.*\bVersion *= *"\([0-9.]*\)".*/\1/p' pkg/ortlib/ortlib.go | head -1)
venv=${XDG_CACHE_HOME:-$HOME/.cache}/bh/bench-onnxruntime-$version
test -x "$venv/bin/python" || { python3 -m venv "$venv" && "$venv/bin/pip" install -q "onnxruntime==$version" numpy; } >&2
model=$(bin/bh-run model build gpt2-124m)

cat > "$work/matrix.yaml" <<YAML
experiment: bench-onnxruntime
repetitions: 25
warmups: 5
order: interleaved
modes: [prefill, generate-cached]
max_new_tokens: 16
min_window: 0s
threads: $threads
backends: [onnxruntime-cpu]
scenarios: [{name: single, batch_size: 1, prompt_tokens: 27}, {name: batch, batch_size: 4, prompt_tokens: 19}]
YAML

cat > "$work/loop.py" <<'PYTHON'
"""A plain loop: session.run with numpy arrays, the cache handed from one step to the next, argmax of the last logits."""
import json, os, sys, time
import numpy as np, onnxruntime as ort

folder, threads, repetitions, warmups, new = sys.argv[1], int(sys.argv[2]), 25, 5, 16
config = json.load(open(os.path.join(folder, "config.json")))
layers, heads, size = config["n_layer"], config["n_head"], config["n_embd"] // config["n_head"]
options = ort.SessionOptions()
options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
make = lambda name: ort.InferenceSession(os.path.join(folder, name), options, providers=["CPUExecutionProvider"])
plain, kv = make("model.onnx"), make("model_kv.onnx")
past = [n.name for n in kv.get_inputs()[2:]]
outputs = [n.name for n in kv.get_outputs()]

def prefill(ids):
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    start = time.perf_counter_ns()
    plain.run(["logits"], feed)
    return time.perf_counter_ns() - start

def cached(ids):
    batch = ids.shape[0]
    start = time.perf_counter_ns()
    feed = {name: np.empty((batch, heads, 0, size), np.float32) for name in past}
    feed["input_ids"], feed["attention_mask"] = ids, np.ones_like(ids)
    for _ in range(new):
        got = kv.run(outputs, feed)
        feed = dict(zip(past, got[1:]))
        feed["input_ids"] = got[0][:, -1].argmax(-1)[:, None]
        feed["attention_mask"] = np.ones((batch, got[1].shape[2] + 1), np.int64)
    return time.perf_counter_ns() - start

rng = np.random.default_rng(42)
cells = [(m, n, f, rng.integers(0, 50000, s)) for n, s in (("single", (1, 27)), ("batch", (4, 19)))
         for m, f in (("prefill", prefill), ("generate-cached", cached))]
for mode, name, f, ids in cells:
    for _ in range(warmups):
        f(ids)
for _ in range(repetitions):
    for i in rng.permutation(len(cells)):
        mode, name, f, ids = cells[i]
        print(json.dumps({"mode": mode, "scenario": name, "latency_ns": f(ids)}))
PYTHON

cpus=$(python3 -c "import os; print(','.join(map(str, sorted(os.sched_getaffinity(0))[:$threads])))")
for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    bin/bh-run --matrix "$work/matrix.yaml" --model "$model" --quiet --no-telemetry --format jsonl >> "$work/go.jsonl"
    taskset -c "$cpus" "$venv/bin/python" "$work/loop.py" "$model" "$threads" >> "$work/python.jsonl"
done

"$venv/bin/python" - "$work/go.jsonl" "$work/python.jsonl" <<'PYTHON'
import json, os, platform, sys
import numpy as np, onnxruntime
def load(path):
    out = {}
    for line in open(path):
        r = json.loads(line)
        out.setdefault((r["mode"], r["scenario"]), []).append(r["latency_ns"] / 1e6)
    return {k: np.array(v) for k, v in out.items()}
go, python = load(sys.argv[1]), load(sys.argv[2])
cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "")
print(f"machine: {os.cpu_count()} CPUs, {cpu}; onnxruntime {onnxruntime.__version__} on both sides; python {platform.python_version()}")
print(f"{'mode':16} {'scenario':9} {'n':>4} {'bh-run ms':>10} {'python ms':>10} {'ratio':>6}  95% interval of the ratio of medians")
rng = np.random.default_rng(1)
for key in sorted(go):
    a, b = go[key], python[key]
    boot = [np.median(rng.choice(a, len(a))) / np.median(rng.choice(b, len(b))) for _ in range(4000)]
    low, high = np.percentile(boot, [2.5, 97.5])
    print(f"{key[0]:16} {key[1]:9} {len(a):4} {np.median(a):10.3f} {np.median(b):10.3f} {np.median(a)/np.median(b):6.3f}  {low:.3f} to {high:.3f}")
PYTHON
