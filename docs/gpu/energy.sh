#!/usr/bin/env bash
# Holds the energy counter of every GPU against its integrated power, on a real load: the runs of docs/gpu/matrix.yaml, with
# five seconds of idling before and after. Writes docs/gpu/run/energy.txt. Wants an NVIDIA GPU, and bin/ built.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=docs/gpu/run
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin/bh-telemetry doctor --json | grep -A2 '"source": "nvml"' | grep -q '"status": "present"' || { bin/bh-telemetry doctor >&2; exit 1; }
for interval in 10ms 47ms 250ms; do
    bin/bh-telemetry record -o "$work/$interval.parquet" --interval "$interval" --idle 5s --quiet -- \
        bin/bh-run -m docs/gpu/matrix.yaml --host gpu --no-telemetry -o "$work/$interval" > "$work/$interval.log" 2>&1 || test $? -eq 3
    echo "== sampled every $interval"
    bin/bh-telemetry summary "$work/$interval.parquet"
    # Of each GPU: energy by its counter, by integrated power, and how far the two are apart.
    bin/bh-telemetry summary --json "$work/$interval.parquet" | tr '{' '\n' | grep '"source":"nvml"' |
        sed -E 's/.*"device":"([^"]+)".*"energy_joules":([0-9.eE+]+|null).*"energy_integrated_joules":([0-9.eE+]+|null).*/\1 \2 \3/' |
        awk '$2 > 0 && $3 != "null" { printf "%s: counter %.1f J, integrated power %.1f J, %+.2f%%\n", $1, $2, $3, 100 * ($3 / $2 - 1) }'
done > "$out/energy.txt"
cat "$out/energy.txt"
