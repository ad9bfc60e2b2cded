//go:build linux && cgo

package telemetry

import (
	"fmt"
	"io/fs"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/banterhearts/bh/pkg/units"
)

// tree is a /proc with processes of the given parents.
func processTree(parents map[int]int) fstest.MapFS {
	files := fstest.MapFS{}
	for pid, parent := range parents {
		set(files, fmt.Sprintf("proc/%d/stat", pid), fmt.Sprintf("%d (a (b) c) S %d%s", pid, parent, strings.Repeat(" 0", 40)))
	}
	return files
}

func TestNVMLProcesses(t *testing.T) {
	parents := map[int]int{1: 0, 2: 0, 50: 1, 100: 50, 101: 100, 102: 101, 200: 1, 201: 200, 300: 301, 301: 300}
	contained := processTree(parents)
	contained["proc/self/ns/pid"] = &fstest.MapFile{Data: []byte("pid:[4026532208]"), Mode: fs.ModeSymlink}
	initial := processTree(parents)
	initial["proc/self/ns/pid"] = &fstest.MapFile{Data: []byte(initialPIDs), Mode: fs.ModeSymlink}
	using := func(pids ...uint32) (list []nvml.ProcessInfo) {
		for _, pid := range pids {
			list = append(list, nvml.ProcessInfo{Pid: pid, UsedGpuMemory: uint64(pid)})
		}
		return list
	}
	untold := using(100, 102)
	untold[1].UsedGpuMemory = math.MaxUint64
	bytes, number := func(v units.Bytes) *units.Bytes { return &v }, func(v int64) *int64 { return &v }
	for _, c := range []struct {
		name    string
		files   fs.FS
		roots   []int
		list    []nvml.ProcessInfo
		own     *units.Bytes
		foreign *int64
	}{
		{"own and others", initial, []int{100}, using(100, 102, 201, 2), bytes(202), number(2)},
		{"two roots", initial, []int{102, 200}, using(100, 102, 201), bytes(303), number(1)},
		{"nobody", initial, []int{100}, nil, bytes(0), number(0)},
		{"no namespace told", processTree(parents), []int{100}, using(101), bytes(101), number(0)},
		{"nothing tracked", initial, nil, using(100, 201), nil, nil},
		{"a number not found here", initial, []int{100}, using(100, 4711), nil, nil},
		{"a circle", initial, []int{100}, using(300), bytes(0), number(1)},
		{"memory not told", initial, []int{100}, untold, nil, number(0)},
		{"container, own seen", contained, []int{100}, using(101), bytes(101), nil},
		{"container, own not seen", contained, []int{100}, using(201), nil, nil},
		{"container, nobody seen", contained, []int{100}, nil, nil, nil},
		{"garbled", fstest.MapFS{"proc/9/stat": {Data: []byte("9 (x")}}, []int{100}, using(9), nil, nil},
	} {
		src, _ := openCards(t, machine(c.files), []*card{{running: c.list}})
		src.Track(c.roots)
		s := read(t, src, epoch)[0]
		if *s.Processes != int64(len(c.list)) || !reflect.DeepEqual(s.MemOwnBytes, c.own) || !reflect.DeepEqual(s.ForeignProcesses, c.foreign) {
			t.Errorf("%s: saw %d processes, own memory %v, foreign %v, want %d, %v, %v", c.name, *s.Processes, show(s.MemOwnBytes),
				show(s.ForeignProcesses), len(c.list), show(c.own), show(c.foreign))
		}
	}
	src, _ := openCards(t, machine(initial), []*card{{running: using(100)}})
	read(t, src, epoch)
	src.Track([]int{100})
	if s := read(t, src, epoch)[0]; s.MemOwnBytes == nil || *s.MemOwnBytes != 100 || *s.ForeignProcesses != 0 {
		t.Errorf("saw own memory %v, want 100 at once after tracking began", show(s.MemOwnBytes))
	}
	src.Track(nil)
	if s := read(t, src, epoch)[0]; s.MemOwnBytes != nil || s.ForeignProcesses != nil {
		t.Error("saw own and others' processes after tracking ended")
	}
}

func show[T any](v *T) any {
	if v == nil {
		return "null"
	}
	return *v
}
