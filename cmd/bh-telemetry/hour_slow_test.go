//go:build integration && linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/parquet/file"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/telemetry"
	"github.com/banterhearts/bh/pkg/units"
)

// The synthetic machine: a sweep of two sockets and eight GPUs.
const (
	sweepsPerSecond = 100
	hour            = 3600
	// Of 64 MiB, what the pages of bh-telemetry's own file leave, which are some 25: those of a test are more.
	maxMemory = 39 << 20
)

// sweep appends the rows of one sweep: the columns that such sources fill, the slow ones once a second.
func sweep(dst []record.Sample, i int) []record.Sample {
	now := int64(1_700_000_000_000_000_000) + int64(i)*int64(time.Second)/sweepsPerSecond
	slow := i%sweepsPerSecond == 0
	row := func(source, device string) *record.Sample {
		now += 1000
		dst = append(dst, record.Sample{Schema: record.SchemaSample, Host: "host-01234567", TSUnixNS: now, Source: source, Device: device})
		return &dst[len(dst)-1]
	}
	s := row(record.SourceRecorder, record.RecorderDevice)
	s.LateNS, s.SweepNS, s.Missed = units.Ptr(int64(i*7919%900_000)), units.Ptr(int64(200_000+i*104729%50_000)), units.Ptr(int64(0))
	s.CPUTimeNS, s.Wakeups, s.WallOffsetNS = units.Ptr(int64(i)*90_000), units.Ptr(int64(i)*4), units.Ptr(int64(i%97))
	for gpu := range 8 {
		s := row("nvml", "gpu:"+strconv.Itoa(gpu))
		s.PowerW, s.EnergyCounterJoules = units.Ptr(units.Watts(float64(300+i*31%400)+0.25*float64(gpu))), units.Ptr(units.Joules(i)*5.125)
		s.UtilPct, s.TempC, s.ClockMHz = units.Ptr(units.Percent(i*13%101)), units.Ptr(units.Celsius(60+i/500%20)), units.Ptr(units.Megahertz(1200+15*(i*17%50)))
		s.MemUsedBytes = units.Ptr(units.Bytes(40<<30 + i/100*4096))
		if slow {
			s.PowerLimitW, s.PowerUpdateNS, s.CounterUpdateNS = units.Ptr(units.Watts(700)), units.Ptr(int64(100_000_000)), units.Ptr(int64(20_000_000))
			s.MemTotalBytes, s.Processes, s.ForeignProcesses = units.Ptr(units.Bytes(80<<30)), units.Ptr(int64(1)), units.Ptr(int64(0))
		}
	}
	for _, device := range []string{"cpu:0", "cpu:1", "dram:0", "dram:1", "psys"} {
		s := row("rapl", device)
		s.EnergyCounterJoules = units.Ptr(units.Joules(float64(i)*1.5 + float64(i*7%13)/61035))
	}
	s = row("proc", "host")
	s.UtilPct, s.MemUsedBytes = units.Ptr(units.Percent(float64(i*37%1000)/10)), units.Ptr(units.Bytes(100<<30+i%4096*4096))
	row("cgroup", "cgroup").MemUsedBytes = units.Ptr(units.Bytes(i % 9999 * 4096))
	s = row("processes", record.DeviceProcesses)
	s.CPUTimeNS, s.MemUsedBytes, s.Processes = units.Ptr(int64(i)*8_000_000), units.Ptr(units.Bytes(i%8888*4096)), units.Ptr(int64(9))
	for sensor := range 8 {
		row("thermal", fmt.Sprintf("thermal:coretemp/%d", sensor)).TempC = units.Ptr(units.Celsius(50 + i/300%30))
	}
	return dst
}

// An hour of that machine at 100 Hz goes through the write path of record in bounded memory.
func TestSlowHourOfRecording(t *testing.T) {
	output := filepath.Join(t.TempDir(), "hour.parquet")
	j, err := telemetry.OpenJournal(telemetry.JournalName(output))
	if err != nil {
		t.Fatal(err)
	}
	target, err := newGrowingTarget(output, j, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(garbageShare))
	clock, began := time.Unix(0, 0), time.Now()
	target.now = func() time.Time { return clock }
	debug.FreeOSMemory()
	rows, footers := 0, 0
	perFlush := int(FlushEvery.Seconds() * sweepsPerSecond)
	before, peak, cpu := resident(t, "RssAnon"), int64(0), cpuTime(t)
	for i := 0; i < hour*sweepsPerSecond; i += perFlush {
		samples := make([]record.Sample, 0, 32*perFlush) // new ones each time, as those of Recorder.Drain are
		for k := range perFlush {
			samples = sweep(samples, i+k)
		}
		footed := target.footed
		if err := target.append(samples); err != nil {
			t.Fatal(err)
		}
		rows += len(samples)
		clock = clock.Add(FlushEvery)
		if target.footed != footed {
			footers++
		}
		if footers%2 == 0 || i%1000 == 0 {
			peak = max(peak, resident(t, "RssAnon"))
		}
	}
	if err := target.finish(t.Context()); err != nil {
		t.Fatal(err)
	}
	cpu = cpuTime(t) - cpu
	info, err := os.Stat(output)
	if err != nil {
		t.Fatal(err)
	}
	peak = max(peak, resident(t, "RssAnon"))
	t.Logf("an hour at %d Hz: %d rows, %.1f rows a sweep", sweepsPerSecond, rows, float64(rows)/hour/sweepsPerSecond)
	t.Logf("file: %.1f MiB, %.1f bytes a row, %d footers", float64(info.Size())/(1<<20), float64(info.Size())/float64(rows), footers)
	t.Logf("memory besides the pages of the program's file: %.1f MiB before, %.1f MiB at most", float64(before)/(1<<20), float64(peak)/(1<<20))
	t.Logf("processor time, with the making of the samples: %.1f s, %.2f ms for a second of recording (%.2f%% of a processor); %.0f s in all",
		cpu.Seconds(), cpu.Seconds()*1000/hour, 100*cpu.Seconds()/hour, time.Since(began).Seconds())
	if peak > maxMemory {
		t.Errorf("saw %d bytes of memory, want at most %d", peak, maxMemory)
	}
	if n, err := rowsOf(output); err != nil || n != int64(rows) {
		t.Errorf("saw %d rows in the file, %v, want %d", n, err, rows)
	}
}

// rowsOf is how many rows the footer of a file tells of.
func rowsOf(path string) (int64, error) {
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	return r.NumRows(), nil
}

// resident is a line of /proc/self/status, in bytes.
func resident(t *testing.T, what string) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(what + `:\s+(\d+) kB`).FindSubmatch(status)
	kb, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// cpuTime is what this process has used of processors.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
