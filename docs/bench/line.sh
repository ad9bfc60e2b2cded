#!/usr/bin/env bash
# From clone to report with empty caches, and what the parts of it take. Prints what docs/bench/line.txt holds.
#   docs/bench/line.sh [REPOSITORY] > docs/bench/line.txt
set -euo pipefail
repo=$(realpath "${1:-$(git rev-parse --show-toplevel)}")
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
export GOCACHE=$work/go-build GOMODCACHE=$work/mod XDG_CACHE_HOME=$work/cache
unset BH_ONNXRUNTIME_LIB

seconds() { local t0 t1; t0=$(date +%s.%N); "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }; t1=$(date +%s.%N); awk "BEGIN{printf \"%.1f s\", $t1-$t0}"; }
# The value at quantile $2 of field $1 over the good runs, in ms.
quantile() { grep -o "\"$1\":[0-9][0-9]*" results/tr119/runs.jsonl | cut -d: -f2 | sort -n | awk -v q="$2" '{v[NR]=$1} END{printf "%.2f", v[int(q*(NR-1))+1]/1e6}'; }

cd "$work"
echo "machine: $(nproc) CPUs, $(awk -F': ' '/model name/{print $2; exit}' /proc/cpuinfo), $(awk '/MemTotal/{printf "%.0f GiB", $2/1048576}' /proc/meminfo), $(go version | cut -d' ' -f3)"
echo "git clone:                            $(seconds git clone -q "$repo" bh)"
cd bh
echo "revision:                             $(git rev-parse --short=12 HEAD)"
echo "make build (empty caches):            $(seconds make build)"
echo "bh-run setup (library):               $(seconds bin/bh-run setup)"
echo "bh-run model build gpt2-124m:         $(seconds bin/bh-run model build gpt2-124m)"
echo "make tr119 (measure to report):       $(seconds make tr119)"
echo "  the measured matrix alone:          $(grep -o '"\(start\|end\)_unix_ns":[0-9][0-9]*' results/tr119/runs.jsonl | cut -d: -f2 | sort -n | awk 'NR==1{a=$1} END{printf "%.1f s", ($1-a)/1e9}')"
echo "  runs: good, all:                    $(grep -c '"status":"ok"' results/tr119/runs.jsonl), $(wc -l < results/tr119/runs.jsonl)"
echo "  tool between two runs, median, p95: $(quantile tool_gap_ns 0.5) ms, $(quantile tool_gap_ns 0.95) ms"
echo "  runs with a garbage collection:     $(grep '"status":"ok"' results/tr119/runs.jsonl | grep -vc '"gc_during_window":0' || true)"
echo "make tr119 again (nothing to do):     $(seconds make tr119)"
echo "make tr119-report ($(wc -l < results/tr119/runs.jsonl) runs, Parquet to report): $(seconds make tr119-report)"
echo "make tr119-archive (50 cells):        $(seconds make tr119-archive)"
echo "make test:                            $(seconds make test)"
