package calibrate

import (
	"sync"

	"github.com/banterhearts/bh/pkg/machine"
)

// arrays are STREAM's three arrays, dealt out to threads. McCalpin (1995), "Memory Bandwidth and Machine Balance in Current
// High Performance Computers", IEEE TCCA Newsletter. The kernels are plain Go, unrolled: compilers for C would use vectors
// and stores that pass the cache by, so that copy and triad are a lower bound; a read is bounded by memory all the same.
type arrays struct {
	a, b, c []float64
	threads int
	jobs    []chan func(lo, hi int)
	done    sync.WaitGroup
	mu      sync.Mutex
	sum     float64 // of what was read, so that no compiler drops the reads
}

// newArrays makes the arrays and the threads, each bound to the CPUs, which fill their own parts: on machines with several
// memories a page lies near the thread that wrote it first.
func newArrays(words, threads int, cpus machine.CPUSet) *arrays {
	s := &arrays{a: make([]float64, words), b: make([]float64, words), c: make([]float64, words), threads: threads}
	for _, x := range [][]float64{s.a, s.b, s.c} {
		largePages(x)
	}
	for i := range threads {
		jobs := make(chan func(lo, hi int))
		s.jobs = append(s.jobs, jobs)
		go func() {
			lo, hi := i*words/threads, (i+1)*words/threads
			work := func() error {
				for job := range jobs {
					job(lo, hi)
					s.done.Done()
				}
				return nil
			}
			if len(cpus) == 0 || machine.Bound(cpus, work) != nil {
				work() //nolint:errcheck // it has none; unbound, where the system does not bind
			}
		}()
	}
	s.all(func(lo, hi int) {
		for i := lo; i < hi; i++ {
			s.a[i], s.b[i], s.c[i] = 1, 2, 0
		}
	})
	return s
}

// all runs a kernel on every thread and waits for all of them.
func (s *arrays) all(kernel func(lo, hi int)) {
	s.done.Add(s.threads)
	for _, jobs := range s.jobs {
		jobs <- kernel
	}
	s.done.Wait()
}

// end ends the threads.
func (s *arrays) end() {
	for _, jobs := range s.jobs {
		close(jobs)
	}
}

// read adds up; eight sums, as one would wait for itself.
func (s *arrays) read(lo, hi int) {
	var t0, t1, t2, t3, t4, t5, t6, t7 float64
	x := s.a[lo:hi]
	for ; len(x) >= 8; x = x[8:] {
		t0, t1, t2, t3 = t0+x[0], t1+x[1], t2+x[2], t3+x[3]
		t4, t5, t6, t7 = t4+x[4], t5+x[5], t6+x[6], t7+x[7]
	}
	total := t0 + t1 + t2 + t3 + t4 + t5 + t6 + t7
	for _, v := range x {
		total += v
	}
	s.mu.Lock()
	s.sum += total
	s.mu.Unlock()
}

// copy copies a to c.
func (s *arrays) copy(lo, hi int) { copy(s.c[lo:hi], s.a[lo:hi]) }

// triad is c = a + 3 b.
func (s *arrays) triad(lo, hi int) {
	a, b, c := s.a[lo:hi], s.b[lo:hi], s.c[lo:hi]
	for len(c) >= 4 && len(a) >= 4 && len(b) >= 4 {
		c[0] = a[0] + 3*b[0]
		c[1] = a[1] + 3*b[1]
		c[2] = a[2] + 3*b[2]
		c[3] = a[3] + 3*b[3]
		a, b, c = a[4:], b[4:], c[4:]
	}
	for i := range c {
		c[i] = a[i] + 3*b[i]
	}
}
