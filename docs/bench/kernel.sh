#!/usr/bin/env bash
# What bh-telemetry says and records in a virtual machine with Debian's kernel and its own drivers, behind which the hardware is
# simulated and its power known. Prints what docs/bench/kernel.txt holds. Takes some minutes, and needs Debian 12's packages.
#   docs/bench/kernel.sh > docs/bench/kernel.txt
set -euo pipefail
cd "$(dirname "$0")/../.."
echo "machine: $(nproc) CPUs, $(awk -F': ' '/model name/{print $2; exit}' /proc/cpuinfo), $(go version | cut -d' ' -f3), $(qemu-system-x86_64 --version | head -n 1)"
echo "revision: $(git rev-parse --short=12 HEAD)"
cat <<'TEXT'

The counters are those of two packages behind the drivers intel_rapl_common and powercap (rapl), or behind perf (perf), updated
every millisecond by the wave of pkg/telemetry/testdata/kernel/wave.h; each wraps once in a recording of root's. "off": the counter's rise
against the truth, from the first reading to the last. Then 200 random windows of 0.5 to 3 s each: median, 95th percentile and
largest error relative to the true energy; the largest of those with grade A or B; the share of windows whose error is within
the stated bound; the median of the bounds; how many have grade A, B, C (none is A, as there is no power to compare with).
Without KVM the processors are translated, a reading takes milliseconds and not microseconds, and sweeps are missed: bounds and
errors are worse than on a machine of one's own, and what the test holds is that the bounds say so.

TEXT
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! go test -count=1 -timeout 30m -tags integration -run '^TestSlowKernel$' -v ./pkg/telemetry > "$log"; then
    failed=1
fi
sed -n 's/^ *kernel[a-z_]*\.go:[0-9]*: *//; /^=== RUN\|^ok \|^PASS\|^FAIL\|^ *$/d; /^ *--- /d; s/^        //; p' "$log"
exit "${failed:-0}"
