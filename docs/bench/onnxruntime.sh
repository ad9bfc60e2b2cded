#!/usr/bin/env bash
# onnxruntime-cpu through bh-run against a plain Python loop over the same ONNX files, the same library version, threads and
# CPUs. Each round is a process of each, in turns and with the other one first in every second round, so that a drift of the
# machine hits both. Runs of one process are alike, so the interval is over the rounds: Student's t on the logarithms of each
# round's ratio of medians.
# "sequential" measures a cell's repetitions back to back and is the comparison. In "interleaved" order the loop in Python
# shows what bh-run is spared: the threads of the graph that ran before are still spinning when the next one starts.
#
#   docs/bench/onnxruntime.sh [ROUNDS] > docs/bench/onnxruntime.txt
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-8}
threads=2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
test -x bin/bh-run || make --no-print-directory tools >&2
version=$(sed -n 's/^.*\bVersion *= *"\([0-9.]*\)".*/\1/p' pkg/ortlib/ortlib.go | head -1)
venv=${XDG_CACHE_HOME:-$HOME/.cache}/bh/bench-onnxruntime-$version
test -x "$venv/bin/python" || { python3 -m venv "$venv" && "$venv/bin/pip" install -q "onnxruntime==$version" numpy; } >&2
model=$(bin/bh-run model build gpt2-124m)

matrix() {
    local order=$1
    cat <<YAML
experiment: bench-onnxruntime
repetitions: 15
warmups: 3
order: $order
modes: [prefill, generate-cached]
max_new_tokens: 16
min_window: 0s
threads: $threads
backends: [onnxruntime-cpu]
scenarios: [{name: single, batch_size: 1, prompt_tokens: 27}, {name: batch, batch_size: 4, prompt_tokens: 19}]
YAML
}

cat > "$work/loop.py" <<'PYTHON'
"""A plain loop: session.run with numpy arrays, the cache handed from one step to the next, argmax of the last logits."""
import json, os, sys, time
import numpy as np, onnxruntime as ort

folder, threads, order, repetitions, warmups, new = sys.argv[1], int(sys.argv[2]), sys.argv[3], 15, 3, 16
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
turns = [i for _ in range(repetitions) for i in rng.permutation(len(cells))]
if order == "sequential":
    turns.sort()
warm = set()
for i in turns:
    mode, name, f, ids = cells[i]
    for _ in range(0 if i in warm else warmups):
        f(ids)
    warm.add(i)
    print(json.dumps({"mode": mode, "scenario": name, "latency_ns": f(ids)}))
PYTHON

cpus=$(python3 -c "import os; print(','.join(map(str, sorted(os.sched_getaffinity(0))[:$threads])))")
bh() { bin/bh-run --matrix <(matrix "$1") --model "$model" --quiet --no-telemetry --format jsonl > "$work/$1-$2-bh.jsonl"; }
python() { taskset -c "$cpus" "$venv/bin/python" "$work/loop.py" "$model" "$threads" "$1" > "$work/$1-$2-python.jsonl"; }
for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    for order in sequential interleaved; do
        if ((round % 2)); then bh $order "$round"; python $order "$round"; else python $order "$round"; bh $order "$round"; fi
    done
done

"$venv/bin/python" - "$work" "$rounds" <<'PYTHON'
import json, math, os, platform, statistics, sys
import onnxruntime
work, rounds = sys.argv[1], int(sys.argv[2])
T = {3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 9: 2.262, 11: 2.201}[rounds - 1]  # t(0.975, rounds - 1)

def medians(order, round, who):
    out = {}
    for line in open(f"{work}/{order}-{round}-{who}.jsonl"):
        r = json.loads(line)
        out.setdefault((r["mode"], r["scenario"]), []).append(r["latency_ns"] / 1e6)
    return {k: statistics.median(v) for k, v in out.items()}

cpu = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")), "")
print(f"machine: {os.cpu_count()} CPUs, {cpu}; onnxruntime {onnxruntime.__version__} on both sides; python {platform.python_version()}; {rounds} rounds")
print(f"{'order':12} {'mode':16} {'scenario':9} {'bh-run ms':>10} {'python ms':>10} {'ratio':>6}  95% interval   rounds")
for order in "sequential", "interleaved":
    bh, py = ([medians(order, r + 1, who) for r in range(rounds)] for who in ("bh", "python"))
    for key in sorted(bh[0]):
        logs = [math.log(b[key] / p[key]) for b, p in zip(bh, py)]
        mean, half = statistics.mean(logs), T * statistics.stdev(logs) / math.sqrt(rounds)
        ms = [statistics.median(x[key] for x in side) for side in (bh, py)]
        each = " ".join(f"{math.exp(x):.3f}" for x in logs)
        print(f"{order:12} {key[0]:16} {key[1]:9} {ms[0]:10.3f} {ms[1]:10.3f} {math.exp(mean):6.3f}  {math.exp(mean-half):.3f} to {math.exp(mean+half):.3f} {each}")
PYTHON
