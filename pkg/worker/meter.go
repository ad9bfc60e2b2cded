package worker

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"runtime/metrics"
	"slices"
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
	uneven               bool // iterations had different numbers of gaps, as where a server sends several tokens in one piece
	requests             []int64
	server               *Server
	cached               *int64
	flags                []string
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
	m.uneven = m.uneven || len(res.ITL) != len(m.itl)
	for i, gap := range res.ITL[:min(len(res.ITL), len(m.itl))] {
		m.itl[i] += int64(gap)
	}
	if m.requests == nil && res.Requests != nil {
		m.requests = make([]int64, len(res.Requests))
	}
	for i, d := range res.Requests {
		m.requests[i] += int64(d)
	}
	if res.Server != nil {
		if m.server == nil {
			m.server = &Server{}
		}
		m.server.LoadNS += int64(res.Server.Load)
		m.server.PrefillNS += int64(res.Server.Prefill)
		m.server.DecodeNS += int64(res.Server.Decode)
	}
	if res.CacheTold {
		most := res.Cached
		if m.cached != nil {
			most = max(most, *m.cached)
		}
		m.cached = &most
	}
	for _, f := range res.Flags {
		if !slices.Contains(m.flags, string(f)) {
			m.flags = append(m.flags, string(f))
		}
	}
	m.last = res
}

// window is the result. The start is wall-clock time; the end is the start and the monotonic time since, so a step of the
// wall clock cannot make a window negative.
func (m *meter) window() *Window {
	n := int64(len(m.iterations))
	for _, sums := range [][]int64{m.itl, m.requests} {
		for i := range sums {
			sums[i] /= n
		}
	}
	if m.server != nil {
		m.server = &Server{LoadNS: m.server.LoadNS / n, PrefillNS: m.server.PrefillNS / n, DecodeNS: m.server.DecodeNS / n}
	}
	start := m.start.UnixNano()
	if m.uneven {
		m.itl = nil // a mean over some of the iterations would not be one of the window
	}
	w := &Window{
		StartUnixNS: start,
		EndUnixNS:   start + int64(m.stop.Sub(m.start)),
		IterationNS: m.iterations,
		TTFTNS:      m.ttft / n,
		ITLNS:       m.itl,
		Generated:   m.last.Generated,
		Output:      m.last.Output,
		RequestNS:   m.requests,
		Server:      m.server,
		Cached:      m.cached,
		Flags:       m.flags,
	}
	if !m.prevEnd.IsZero() {
		w.GapNS = int64(m.start.Sub(m.prevEnd))
	}
	return w
}

// Hash is the SHA-256 of the token ids: for each sequence its length and its ids, as little-endian 64-bit integers. It is
// empty where the ids are not known.
func Hash(output [][]int64) string {
	if output == nil {
		return ""
	}
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
