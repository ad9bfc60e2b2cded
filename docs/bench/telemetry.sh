#!/usr/bin/env bash
# What telemetry costs. Prints what docs/bench/telemetry.txt holds; each part below stands under a heading of its own.
#   docs/bench/telemetry.sh > docs/bench/telemetry.txt
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
echo "machine: $(nproc) CPUs, $(awk -F': ' '/model name/{print $2; exit}' /proc/cpuinfo), $(awk '/MemTotal/{printf "%.0f GiB", $2/1048576}' /proc/meminfo), $(go version | cut -d' ' -f3), revision $(git rev-parse --short=12 HEAD)"

# Sampling. cpu-µs/sweep is processor time of the whole process: at 100 Hz, 100 of it are 1% of a core.
cat <<'TEXT'

## Sampling: one sweep of all sources

SweepServer: two sockets, 128 processors, 8 GPUs; files on disk and a driver that answers at once, so what the tool costs.
SweepSource: the same by source. Sweep: the sensors of the machine above, from its kernel.
A recorder at 100 Hz reads what changes slowly once per second; so do these, in every hundredth sweep.

Not in it is what a real kernel and a real driver take to answer. NVML is asked, for each GPU, 4 times in every sweep, 2
more times in every tenth and 4 more in every hundredth: 34 calls for 8 GPUs. To stay below 1% of a core with them a call may
take 2 µs; if it takes 20 µs, 8 GPUs at 100 Hz cost 7%, and the interval is better made longer.

TEXT
bench() { go test -run '^$' -bench "$1" -benchtime 0.5s -count "$2" ./pkg/telemetry | grep "$3"; }
bench '^BenchmarkSweep(Server)?$' 6 '^[a-zB]*: \|^Benchmark'
bench '^BenchmarkSweepSource$' 2 '^Benchmark'
