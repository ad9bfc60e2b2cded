//go:build linux && cgo

package telemetry

import (
	"io/fs"
	"math"
	"strconv"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// processes counts the processes that compute on the GPU and, while some are tracked, tells theirs from others'. Left out
// are processes that only draw (a display server): NVML lists them elsewhere.
func (g *gpus) processes(d *gpu, s *record.Sample, c *calls) {
	list, ret := d.GetComputeRunningProcesses()
	if !c.ok("nvmlDeviceGetComputeRunningProcesses", ret) {
		return
	}
	s.Processes = units.Ptr(int64(len(list)))
	s.MemOwnBytes, s.ForeignProcesses = g.family.split(list)
}

// family is the process trees that are measured.
type family struct {
	files     fs.FS
	contained bool // process numbers here are a container's, NVML's may be the machine's
	roots     map[int]bool
}

// initialPIDs is the namespace of process numbers that the machine begins with (Linux, PROC_PID_INIT_INO).
const initialPIDs = "pid:[4026531836]"

func newFamily(files fs.FS) family {
	space, err := fs.ReadLink(files, "proc/self/ns/pid")
	return family{files: files, contained: err == nil && space != initialPIDs}
}

func (f *family) track(pids []int) {
	f.roots = map[int]bool{}
	for _, pid := range pids {
		f.roots[pid] = true
	}
}

// split is the memory of the processes of the family, and how many are of others. Both are nil where that cannot be told:
// none is tracked; a process has no number here, as it runs in another container; or its memory is not told. In a
// container other containers' processes are not seen at all, so that the absence of others is never claimed there.
func (f *family) split(list []nvml.ProcessInfo) (own *units.Bytes, others *int64) {
	if len(f.roots) == 0 {
		return nil, nil
	}
	var memory units.Bytes
	var mine, foreign int64
	told := true
	for _, p := range list {
		in, known := f.has(int(p.Pid))
		switch {
		case !known:
			return nil, nil
		case !in:
			foreign++
		case p.UsedGpuMemory > math.MaxInt64: // NVML_VALUE_NOT_AVAILABLE
			mine++
			told = false
		default:
			mine++
			memory += units.Bytes(p.UsedGpuMemory)
		}
	}
	if told && (mine > 0 || !f.contained) {
		own = &memory
	}
	if !f.contained {
		others = &foreign
	}
	return own, others
}

// has reports whether a process descends from one of the roots; known is false where there is no such process.
func (f *family) has(pid int) (in, known bool) {
	for range 100 { // generations; a chain that changes meanwhile could lead in circles
		if f.roots[pid] {
			return true, true
		}
		parent, ok := parentOf(f.files, pid)
		if !ok {
			return false, known
		}
		known = true
		if parent <= 0 {
			break
		}
		pid = parent
	}
	return false, known
}

// parentOf is the number of a process's parent; ok is false where there is no such process.
func parentOf(files fs.FS, pid int) (parent int, ok bool) {
	name := "proc/" + strconv.Itoa(pid) + "/stat"
	b, err := fs.ReadFile(files, name)
	if err != nil {
		return 0, false
	}
	status, err := parseProcStatus(name, b)
	return status.parent, err == nil
}
