package worker

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
)

// TestMergeKeepsTheTimesOfABatch merges two requests, one of which was let run 5 ms after the other and has one token more.
func TestMergeKeepsTheTimesOfABatch(t *testing.T) {
	const ms = time.Millisecond
	early := backend.Result{Latency: 30 * ms, TTFT: 10 * ms, ITL: []time.Duration{20 * ms}, Generated: 2, Output: [][]int64{{1, 2}}, CacheTold: true,
		Server: &backend.ServerTimes{Prefill: 4 * ms}}
	late := backend.Result{Latency: 60 * ms, TTFT: 12 * ms, ITL: []time.Duration{3 * ms, 45 * ms}, Generated: 3, Output: [][]int64{{3, 4, 5}},
		Cached: 2, CacheTold: true, Server: &backend.ServerTimes{Prefill: 8 * ms}}
	got := merge([]backend.Result{early, late}, []time.Duration{0, 5 * ms})
	want := backend.Result{
		Latency: 65 * ms, TTFT: 17 * ms, ITL: []time.Duration{13 * ms, 35 * ms}, // steps at 17, 30 and 65 ms
		Generated: 5, Output: [][]int64{{1, 2}, {3, 4, 5}}, Requests: []time.Duration{30 * ms, 60 * ms}, Cached: 2, CacheTold: true,
		Server: &backend.ServerTimes{Prefill: 6 * ms},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("saw %+v, want %+v", got, want)
	}
	sum := got.TTFT
	for _, gap := range got.ITL {
		sum += gap
	}
	if sum != got.Latency {
		t.Errorf("the first token and the gaps sum to %s, the latency is %s", sum, got.Latency)
	}
	late.Output = nil
	if got := merge([]backend.Result{early, late}, make([]time.Duration, 2)); got.Output != nil {
		t.Errorf("one request's tokens are not known: saw %v", got.Output)
	}
	early.TTFT, late.TTFT, early.ITL, late.ITL = 0, 0, nil, nil
	if got := merge([]backend.Result{early, late}, make([]time.Duration, 2)); got.TTFT != 0 || len(got.ITL) != 0 || !slices.Equal(got.Requests, want.Requests) {
		t.Errorf("prefill: saw %+v", got)
	}
}
