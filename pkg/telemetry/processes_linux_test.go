package telemetry

import (
	"os/exec"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// Real processes: a shell whose child works for a while. The sum must find the child's work, while it runs and after.
func TestProcessesOfThisMachine(t *testing.T) {
	src, _, err := openProcesses(Environment{Host: "testhost"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	cmd := exec.Command("sh", "-c", `sh -c 'i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done'; read line; exit 0`)
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	src.(Tracker).Track([]int{cmd.Process.Pid})
	var last record.Sample
	most := int64(0)
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		rows := read(t, src, time.Now())
		if len(rows) == 0 {
			continue
		}
		if last.CPUTimeNS != nil && deref(rows[0].CPUTimeNS) < deref(last.CPUTimeNS) {
			t.Fatalf("time fell from %d to %d", deref(last.CPUTimeNS), deref(rows[0].CPUTimeNS))
		}
		last = rows[0]
		most = max(most, deref(last.MemUsedBytes))
		if deref(last.Processes) == 1 && deref(last.CPUTimeNS) > 0 { // the child worked and was waited for
			break
		}
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("saw %d ns and %d processes after 20 s, want the child's work", deref(last.CPUTimeNS), deref(last.Processes))
		}
	}
	if most < 1<<16 {
		t.Errorf("resident memory: saw %d bytes at most, want that of a shell", most)
	}
	input.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(processesEvery)
	if rows := read(t, src, time.Now()); deref(rows[0].CPUTimeNS) < deref(last.CPUTimeNS) || deref(rows[0].Processes) != 0 {
		t.Errorf("all ended: saw %+v, want the time kept and no process", rows[0])
	}
}
