#!/usr/bin/env bash
# An hour, or SECONDS, of bh-telemetry record at 100 Hz on a machine with two sockets and eight GPUs that are simulated:
# the real program, a driver library with a known power (driver/nvml.c), and RAPL counters in files that another process renews.
# Prints what docs/bench/hour.txt holds: memory and processor time of the program, and how far energies are off.
#   docs/bench/hour.sh [SECONDS] > docs/bench/hour.txt
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-3600}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null; rm -rf "$work"' EXIT
cc -shared -fPIC -O2 -o "$work/libnvidia-ml.so.1" docs/bench/driver/nvml.c -I "$(go list -m -f '{{.Dir}}' github.com/NVIDIA/go-nvml)/pkg/nvml" -lm
go build -o "$work/bh-telemetry" ./cmd/bh-telemetry
root=$work/root
mkdir -p "$root/sys/class"
ln -s /proc "$root/proc"
ln -s /sys/devices "$root/sys/devices"
zones=()
for socket in 0 1; do
    for zone in ":$socket package-$socket" ":$socket:0 core" ":$socket:1 dram" ":$socket:2 uncore"; do
        folder=$root/sys/class/powercap/intel-rapl${zone% *}
        mkdir -p "$folder"
        echo "${zone#* }" > "$folder/name"
        echo 262143328850 > "$folder/max_energy_range_uj"
        echo 1000000 > "$folder/energy_uj"
        zones+=("$folder/energy_uj")
    done
done
# Each counter rises by 5 J in every fifth of a second: 25 W.
(   joules=0
    while sleep 0.2; do
        joules=$((joules + 5))
        for zone in "${zones[@]}"; do echo "${joules}000000" > "$zone"; done
    done) &
cd "$work"
LD_LIBRARY_PATH=$work ./bh-telemetry record --quiet --root "$root" --interval 10ms --duration "${seconds}s" -o rec.parquet &
recorder=$!
echo "machine: $(nproc) CPUs, $(awk -F': ' '/model name/{print $2; exit}' /proc/cpuinfo); $seconds s at 100 Hz"
peak() { awk -v k="$1:" '$1 == k { print $2 }' "/proc/$recorder/status" 2> /dev/null; }
most=0 anonymous=0 used=0
while kill -0 "$recorder" 2> /dev/null; do
    most=$(peak VmHWM || true) used=$(awk '{ print ($14 + $15) / 100 }' "/proc/$recorder/stat" 2> /dev/null || true)
    a=$(peak RssAnon || true)
    test "${a:-0}" -le "$anonymous" || anonymous=$a
    test -z "$most" || last_most=$most
    test -z "$used" || last_used=$used
    sleep 1
done
wait "$recorder"
echo "memory of the program: $((last_most / 1024)) MiB resident at most, of that $((anonymous / 1024)) MiB of its own (the rest are pages of its file)"
awk -v u="$last_used" -v s="$seconds" 'BEGIN { printf "processor time: %.1f s, %.2f%% of one core\n", u, 100 * u / s }'
ls -l rec.parquet | awk '{ printf "file: %.1f MiB\n", $5 / 1048576 }'
./bh-telemetry summary rec.parquet
# A whole number of periods of the GPUs' wave draws (100 + 200/2) W on average.
./bh-telemetry summary --json rec.parquet | tr '{' '\n' | grep '"source":"nvml"' |
    sed -E 's/.*"device":"([^"]+)".*"span_s":([0-9.]+).*"energy_joules":([0-9.eE+]+|null).*"energy_integrated_joules":([0-9.eE+]+|null).*/\1 \2 \3 \4/' |
    awk '{ true = 200 * $2; printf "%s: counter %.2f J, integrated %.2f J over %.3f s; 200 W make %.2f J: off by %+.3f%% and %+.3f%%\n", $1, $3, $4, $2, true, 100 * ($3 / true - 1), 100 * ($4 / true - 1) }'
