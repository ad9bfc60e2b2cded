package telemetry

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	processesName = "processes"
	// processesEvery is how often the processes that are known are read: their times tick every 10 ms, and each process is
	// a file.
	processesEvery = 50 * time.Millisecond
)

func init() {
	register(member{name: processesName, measures: "processor time and resident memory of the processes measured",
		open: openProcesses})
}

// processes sums up the process trees that are measured, as device "processes": processor time since they were named,
// resident memory and how many there are. A page that several processes share counts once for each of them, so the sum of
// their resident memory is an upper bound.
//
// New descendants are looked for once per slowEvery. One that lived and ended between two looks is counted all the same
// where a tracked process waited for it, as the kernel then adds its time to that process (cutime and cstime of
// /proc/PID/stat, proc(5)).
type processes struct {
	env   Environment
	files fs.FS
	read  every
	look  every

	active   bool         // processes are measured, if only ones that have ended
	tracked  []*process   // parents before their children
	lists    bool         // the kernel lists the children of a process (CONFIG_PROC_CHILDREN)
	foreign  map[int]bool // where it does not, pids that were looked at and are no descendants
	ended    uint64       // ticks of processes that ended and that nobody waited for
	reported int64        // ns, the last sum: it never falls
	page     int64        // bytes
}

var (
	_ Source   = (*processes)(nil)
	_ Tracker  = (*processes)(nil)
	_ prompter = (*processes)(nil)
)

// process is one tracked process.
type process struct {
	pid    int
	stat   *kept
	last   procStatus
	base   uint64 // ticks that it and its children had used when it was named
	waited uint64 // ticks of last.children that are not to be claimed: used before, or by children that were tracked

	gone, mourned bool // it ended; and in a reading before the last
}

// procStatus is what /proc/PID/stat says of a process. Times are in ticks of 1/userHZ s.
type procStatus struct {
	zombie        bool
	parent        int
	own, children uint64 // children counts those that ended and were waited for
	start         uint64 // after boot: tells a process from a later one with the same pid
	pages         int64
}

func (s procStatus) ticks() uint64 { return s.own + s.children }

func openProcesses(env Environment, _ Options) (Source, string, error) {
	p := &processes{env: env, files: env.fsys(), read: every{span: processesEvery}, look: every{span: slowEvery},
		page: int64(os.Getpagesize())}
	text, err := fs.ReadFile(p.files, "proc/self/stat")
	if err != nil {
		return nil, "", cannotOpen(err, "no /proc/self/stat: this is not Linux", "sudo mount -o remount,hidepid=0 /proc")
	}
	if _, err := parseProcStatus("proc/self/stat", text); err != nil {
		return nil, "", err
	}
	lists, _ := fs.Glob(p.files, "proc/self/task/*/children") // the pattern is valid
	p.lists = len(lists) > 0
	return p, "ready; gives readings while a run is measured", nil
}

// parseProcStatus parses /proc/PID/stat: "pid (name) state ppid …", where the name may hold anything.
func parseProcStatus(file string, text []byte) (procStatus, error) {
	var s procStatus
	bad := func(why string) (procStatus, error) {
		return procStatus{}, fmt.Errorf("%s: saw %q: %s", file, bytes.TrimSpace(text), why)
	}
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return bad("no name in parentheses")
	}
	state, rest := word(text[end+1:])
	s.zombie = string(state) == "Z" || string(state) == "X"
	var w []byte
	for n := 4; n <= 24; n++ { // fields are numbered as in proc(5); the state is 3
		if w, rest = word(rest); len(w) == 0 {
			return bad("want 24 fields")
		}
		var v uint64
		switch n {
		case 4, 14, 15, 16, 17, 22, 24:
			var ok bool
			if v, ok = digits(w); !ok {
				return bad(fmt.Sprintf("field %d is no number", n))
			}
		}
		switch n {
		case 4:
			s.parent = int(v)
		case 14, 15:
			s.own += v
		case 16, 17:
			s.children += v
		case 22:
			s.start = v
		case 24:
			s.pages = int64(v)
		}
	}
	return s, nil
}

// Track implements Tracker. What the named processes have used so far does not count. Their names are kept until the
// next call, and so are their descendants whatever becomes of the processes between.
func (p *processes) Track(pids []int) {
	for _, t := range p.tracked {
		t.stat.close() // nothing was written
	}
	p.tracked, p.foreign, p.ended, p.reported = nil, nil, 0, 0
	p.read.last, p.look.last = time.Time{}, time.Time{}
	p.active = len(pids) > 0
	for _, pid := range pids {
		p.add(pid)
	}
	p.descend()
	for _, t := range p.tracked {
		t.base = t.last.ticks()
	}
}

// add begins to track a process, unless it has ended already or is tracked.
func (p *processes) add(pid int) {
	if slices.ContainsFunc(p.tracked, func(t *process) bool { return t.pid == pid && !t.gone }) {
		return
	}
	t := &process{pid: pid, stat: keep(p.files, procFile(pid, "stat"))}
	text, err := t.stat.read()
	if err == nil {
		t.last, err = parseProcStatus(t.stat.name, text)
	}
	if err != nil {
		t.stat.close() // nothing was written
		return
	}
	t.waited = t.last.children
	p.tracked = append(p.tracked, t)
}

func procFile(pid int, name string) string { return path.Join("proc", strconv.Itoa(pid), name) }

// descend finds the descendants of the tracked processes that are not tracked yet.
func (p *processes) descend() {
	if !p.lists {
		p.scan()
		return
	}
	for i := 0; i < len(p.tracked); i++ { // grows on the way
		for _, pid := range p.children(p.tracked[i].pid) {
			p.add(pid)
		}
	}
}

// children are the children of a process as the kernel lists them for each of its threads; none when it has ended.
func (p *processes) children(pid int) []int {
	lists, _ := fs.Glob(p.files, procFile(pid, "task/*/children")) // the pattern is valid
	var pids []int
	for _, list := range lists {
		text, err := fs.ReadFile(p.files, list)
		if err != nil {
			continue
		}
		for child := range bytes.FieldsSeq(text) {
			if v, ok := digits(child); ok {
				pids = append(pids, int(v))
			}
		}
	}
	return pids
}

// scan finds descendants by the parent of every process of the machine. A process that is no descendant never becomes
// one, so each is looked at once.
func (p *processes) scan() {
	entries, err := fs.ReadDir(p.files, "proc")
	if err != nil {
		return
	}
	mine := map[int]bool{}
	for _, t := range p.tracked {
		mine[t.pid] = !t.gone
	}
	foreign := map[int]bool{}
	parents := map[int]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || mine[pid] {
			continue
		}
		if foreign[pid] = true; p.foreign[pid] {
			continue
		}
		text, err := fs.ReadFile(p.files, procFile(pid, "stat"))
		if err != nil {
			continue
		}
		if s, err := parseProcStatus(e.Name(), text); err == nil {
			parents[pid] = s.parent
		}
	}
	for grown := true; grown; { // pids may have wrapped, so a child may have a lower one than its parent
		grown = false
		for _, pid := range sortedKeys(parents) {
			if mine[parents[pid]] {
				p.add(pid)
				mine[pid], grown = true, true
				delete(foreign, pid)
				delete(parents, pid)
			}
		}
	}
	p.foreign = foreign
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Name implements Source.
func (*processes) Name() string { return processesName }

// Sample implements Source.
func (p *processes) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	if !p.active || !p.read.due(now) {
		return dst, nil
	}
	if p.look.due(now) {
		p.descend()
	}
	var errs []error
	for _, t := range p.tracked { // parents first, so that no child is counted in its parent and once more
		if !t.gone {
			errs = append(errs, t.update())
		}
	}
	p.bury()

	s := p.env.sample(now, processesName, record.DeviceProcesses)
	ticks, pages, live := p.ended, int64(0), int64(0)
	for _, t := range p.tracked {
		ticks += t.last.ticks() - min(t.base, t.last.ticks())
		if !t.gone && !t.last.zombie {
			pages += t.last.pages
			live++
		}
	}
	p.reported = max(p.reported, int64(ticks)*int64(time.Second)/userHZ)
	s.CPUTimeNS = units.Ptr(p.reported)
	s.MemUsedBytes = units.Ptr(units.Bytes(pages * p.page))
	s.Processes = units.Ptr(live)
	return append(dst, s), errors.Join(errs...)
}

// prompt implements prompter.
func (p *processes) prompt() { p.read.last = time.Time{} }

// update reads the process again. One that ended, or whose pid another process has now, is gone and keeps its last times.
func (t *process) update() error {
	text, err := t.stat.read()
	if err == nil {
		var s procStatus
		if s, err = parseProcStatus(t.stat.name, text); err != nil {
			return err
		}
		if s.start == t.last.start {
			t.last = s
			return nil
		}
	}
	// An open file of /proc stays with its process: after that has ended it reads ESRCH, whoever has the pid.
	t.gone = true
	return t.stat.close()
}

// bury takes out the processes that ended. Where an ancestor that is tracked waited for one, its time is among the
// children's time of that ancestor already; else it goes to ended. One that has just ended stays for a reading more, as
// the ancestor may have been read just before it waited. Children come before their parents, so that the ancestors of
// each are still there.
func (p *processes) bury() {
	for i := len(p.tracked) - 1; i >= 0; i-- {
		t := p.tracked[i]
		if !t.gone {
			continue
		}
		spent := t.last.ticks()
		switch a := p.ancestor(t); {
		case a != nil && a.last.children-min(a.waited, a.last.children) >= spent:
			a.waited += spent
			a.base += t.base
		case !t.mourned:
			t.mourned = true
			continue
		default:
			p.ended += spent - min(t.base, spent)
		}
		p.tracked = slices.Delete(p.tracked, i, i+1)
	}
}

// ancestor is the nearest tracked ancestor of a process that has not ended, nil where there is none.
func (p *processes) ancestor(t *process) *process {
	for range p.tracked { // a pid that is used again could make a circle
		i := slices.IndexFunc(p.tracked, func(a *process) bool { return a != t && a.pid == t.last.parent })
		if i < 0 {
			return nil
		}
		if t = p.tracked[i]; !t.gone {
			return t
		}
	}
	return nil
}

// Close implements Source.
func (p *processes) Close() error {
	var errs []error
	for _, t := range p.tracked {
		errs = append(errs, t.stat.close())
	}
	return errors.Join(errs...)
}
