package worker

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"runtime/metrics"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
)

// startIterations is how many iterations a window has room for before its list grows.
const startIterations = 1024

// meter collects the iterations of one window.
type meter struct {
	prevEnd, start, stop time.Time
	iterations           []int64
	ttft                 int64
	itl                  []int64
	last                 backend.Result
}

func newMeter(prevEnd time.Time) *meter {
	return &meter{prevEnd: prevEnd, iterations: make([]int64, 0, startIterations)}
}

func (m *meter) begin()                 { m.start = time.Now() }
func (m *meter) elapsed() time.Duration { return time.Since(m.start) }

func (m *meter) end() time.Time {
	m.stop = time.Now()
	return m.stop
}

// add sums up one iteration; window divides.
func (m *meter) add(res backend.Result) {
	m.iterations = append(m.iterations, int64(res.Latency))
	m.ttft += int64(res.TTFT)
	if m.itl == nil {
		m.itl = make([]int64, len(res.ITL))
	}
	for i, gap := range res.ITL {
		if i < len(m.itl) { // greedy decoding gives the same tokens every time, so the lists are equally long
			m.itl[i] += int64(gap)
		}
	}
	m.last = res
}

// window is the result. The start is wall-clock time; the end is the start and the monotonic time since, so a step of the
// wall clock cannot make a window negative.
func (m *meter) window() *Window {
	n := int64(len(m.iterations))
	for i := range m.itl {
		m.itl[i] /= n
	}
	start := m.start.UnixNano()
	w := &Window{
		StartUnixNS: start,
		EndUnixNS:   start + int64(m.stop.Sub(m.start)),
		IterationNS: m.iterations,
		TTFTNS:      m.ttft / n,
		ITLNS:       m.itl,
		Generated:   m.last.Generated,
		OutputHash:  hashTokens(m.last.Output),
	}
	if !m.prevEnd.IsZero() {
		w.GapNS = int64(m.start.Sub(m.prevEnd))
	}
	return w
}

// hashTokens is the SHA-256 of the token ids: for each sequence its length and its ids, as little-endian 64-bit integers.
func hashTokens(output [][]int64) string {
	h := sha256.New()
	var b [8]byte
	put := func(v int64) {
		binary.LittleEndian.PutUint64(b[:], uint64(v))
		h.Write(b[:])
	}
	for _, seq := range output {
		put(int64(len(seq)))
		for _, id := range seq {
			put(id)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// gcCycles is the number of completed garbage collections of this process.
func gcCycles() uint64 { return readMetric("/gc/cycles/total:gc-cycles") }

// heapBytes is how many bytes of objects are on the heap, dead ones included.
func heapBytes() uint64 { return readMetric("/memory/classes/heap/objects:bytes") }

// readMetric reads one counter of the Go runtime, which does not stop the world as runtime.ReadMemStats does.
func readMetric(name string) uint64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
