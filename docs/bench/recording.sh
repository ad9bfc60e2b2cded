#!/bin/sh
# Measures what recording costs, into docs/bench/recording.txt: an hour of a machine with two sockets and eight GPUs at
# 100 Hz, pushed through the write path of bh-telemetry record as fast as it goes, and ten seconds of this machine.
set -eu
cd "$(dirname "$0")/../.."
out=docs/bench/recording.txt
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/bh-telemetry" ./cmd/bh-telemetry
{
	echo "# $(go version | cut -d' ' -f3-), $(nproc) processors, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	echo
	echo "## An hour of two sockets and eight GPUs at 100 Hz through the write path"
	go test -count 1 -tags integration -run '^TestSlowHourOfRecording$' -v ./cmd/bh-telemetry | sed -n 's/^ *hour_slow_test.go:[0-9]*: //p'
	echo
	echo "## Ten seconds of this machine at 100 Hz"
	"$bin/bh-telemetry" record -q -o "$bin/s.parquet" --interval 10ms &
	pid=$!
	sleep 10
	sed -n 's/^\(Rss[AF][a-z]*\|VmHWM\):[[:space:]]*/\1 /p' "/proc/$pid/status"
	kill -INT $pid
	wait $pid
	"$bin/bh-telemetry" summary "$bin/s.parquet" | tail -n 2
} | tee "$out"
