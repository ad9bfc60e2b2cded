package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Allowed lists the CPUs that process pid may use; 0 is the calling thread.
func Allowed(pid int) (CPUSet, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		return nil, fmt.Errorf("affinity of process %d: %w", pid, err)
	}
	var out CPUSet
	for cpu, left := 0, set.Count(); left > 0; cpu++ {
		if set.IsSet(cpu) {
			out = append(out, cpu)
			left--
		}
	}
	return out, nil
}

// Pick chooses n CPUs for a worker among those that this process may use.
func Pick(n int) (CPUSet, error) {
	allowed, err := Allowed(0)
	if err != nil {
		return nil, err
	}
	return Choose(allowed, coreOf("/"), n), nil
}

// coreOf names the core of a CPU by its list of hyper-thread siblings; a CPU whose topology is not known is its own core.
func coreOf(root string) func(int) string {
	return func(cpu int) string {
		name := fmt.Sprintf("cpu%d", cpu)
		data, err := os.ReadFile(filepath.Join(root, "sys/devices/system/cpu", name, "topology/thread_siblings_list"))
		if err != nil {
			return name
		}
		return strings.TrimSpace(string(data))
	}
}

// Bound runs start on a thread that is bound to cpus: the processes that start starts inherit that. The thread is not used
// again where its own affinity cannot be restored.
func Bound(cpus CPUSet, start func() error) error {
	runtime.LockOSThread()
	var before, want unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("affinity: %w", err)
	}
	for _, cpu := range cpus {
		want.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &want); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("bind to CPUs %s: %w", cpus, err)
	}
	err := start()
	if unix.SchedSetaffinity(0, &before) == nil {
		runtime.UnlockOSThread() // else the thread ends with this goroutine
	}
	return err
}
