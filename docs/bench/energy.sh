#!/usr/bin/env bash
# How far the energy of a window is off, through simulated sensors whose power is known in closed form, and what a join
# costs. Prints what docs/bench/energy.txt holds.
#   docs/bench/energy.sh [WINDOWS] [SEED] > docs/bench/energy.txt
set -euo pipefail
cd "$(dirname "$0")/../.."
windows=${1:-1000}
seed=${2:-20261122} # any but 0, on which the constants of pkg/energy were chosen: the table shows windows they have not seen
echo "machine: $(nproc) CPUs, $(awk -F': ' '/model name/{print $2; exit}' /proc/cpuinfo), $(go version | cut -d' ' -f3)"
echo "revision: $(git rev-parse --short=12 HEAD), $windows windows a row, seed $seed"
cat <<'TEXT'

Error of the energy of random windows of 10 to 60 updates, relative to the true energy
(pkg/energy/truth_test.go; updates are counted as they can be seen: the update period or the sampling interval, whichever
is longer). "covered": share of the windows whose error is within the stated bound; "bound": its median, relative to the
energy. A, B, C: windows of each grade; "wrong": those off by more than 5% that have grade A or B.
"NVML, 20 ms, read every 10 ms": a GPU's counter that is renewed every 20 ms, with power renewed every 100 ms, by a recorder
with an interval of 10 ms, 15% more or less at random, as bh-telemetry has it. "live": at the end of the run, before anything is
read after it, and read at both edges of the window, as bh-run does; the pipelines join again when all is read. A wave that no
reading can tell from another of another energy has a line of its own, and no promise: "spikes at the edges" lie within a
quarter of an update of a window's begin; a "loop in step" repeats itself once per reading or per update of the sensor, give or
take 1%, and shows every reading the same (one that reads at both edges sees it); averages over 1 s, and readings once per second
or less, do not see a "sine of 1 Hz", nor those once per 5 s a "sine" of up to 4 Hz, nor averages "dips at the edges" of 3 ms.
"runs and pauses" are loads of 1 to 4 updates with pauses of 0.05 to 1.5, so that no segment between two updates shows how far
power falls; "prefill and decode" are requests whose first 10 to 80 ms take twice the power of the rest; "slow rise and fall" goes
up and down over seconds. "mean of 100 ms" and "25 of them" are sensors that tell the mean of all, or of 25 ms, of each 100 ms.

TEXT
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! go test -count=1 -timeout 60m -run '^TestTruth$' -v ./pkg/energy -args -windows "$windows" -seed "$seed" > "$log"; then
    failed=1
fi
sed -n '/^ *sensor /,$p' "$log" | sed 's/^        //; /^ *$/d; /^--- /,$d'
grep 'truth_test.go:.*want\|truth_test.go:.*have grade' "$log" | sed 's/^ *truth_test.go:[0-9]*:/beyond what the test promises:/' || true
echo
echo "Join: nanoseconds a sample; \"Machine\": two sockets and eight GPUs, 25 rows a sweep at 100 Hz, a window open half of the time"
go test -count=3 -run '^$' -bench 'Joiner|JoinMachine' ./pkg/energy | grep '^Benchmark'
echo "Memory and time over more than an hour of that machine past a thousand runs:"
go test -count=1 -tags integration -run '^TestSlowJoinerHeap$' -v ./pkg/energy | sed -n 's/^.*heap_slow_test.go:[0-9]*: /  /p'
exit "${failed:-0}"
