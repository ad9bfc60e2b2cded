#!/usr/bin/env bash
# What telemetry costs. Prints what docs/bench/telemetry.txt holds; each part below stands under a heading of its own.
#   docs/bench/telemetry.sh > docs/bench/telemetry.txt
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
echo "machine: $(nproc) CPUs, $(awk -F': ' '/model name/{print $2; exit}' /proc/cpuinfo), $(awk '/MemTotal/{printf "%.0f GiB", $2/1048576}' /proc/meminfo), $(go version | cut -d' ' -f3), revision $(git rev-parse --short=12 HEAD), load when it began $(cut -d' ' -f1 /proc/loadavg)"

# Sampling. cpu-µs/sweep is processor time of the whole process: at 100 Hz, 100 of it are 1% of a core.
cat <<'TEXT'

## Sampling: one sweep of all sources

SweepServer: two sockets, 128 processors, 8 GPUs; files on disk and a driver that answers at once, so what the tool costs.
SweepSource: the same by source. Sweep: the sensors of the machine above, from its kernel.
A recorder at 100 Hz reads what changes slowly once per second; so do these, in every hundredth sweep.
At100Hz: the same machine in real time, with caches that went cold in between, beside a process that only wakes up as often.

Not in it is what a real kernel and a real driver take to answer. NVML is asked, for each GPU, 4 times in every sweep, 2
more times in every tenth and 4 more in every hundredth: 34 calls for 8 GPUs. Where a call takes 20 µs, they add 7% of a core
at 100 Hz, and a longer interval is the better choice.

TEXT
bench() { go test -run '^$' -bench "$1" -benchtime "$2" -count "$3" ./pkg/telemetry | grep "$4"; }
bench '^BenchmarkSweep(Server)?$' 0.5s 6 '^[a-z]*: \|^Benchmark'
bench '^BenchmarkSweepSource$' 0.5s 2 '^Benchmark'
bench '^BenchmarkAt100Hz$' 500x 6 '^Benchmark'
