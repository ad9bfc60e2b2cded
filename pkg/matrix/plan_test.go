package matrix

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func planned(t *testing.T, order Order, seed string) []Step {
	t.Helper()
	m, err := Parse("m.yaml", []byte(good+"order: "+string(order)+"\nseed: "+seed+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return m.Plan()
}

func ids(steps []Step) []string {
	var out []string
	for i := range steps {
		out = append(out, steps[i].RunID)
	}
	return out
}

func TestPlanHasEveryRunOnce(t *testing.T) {
	for _, order := range []Order{Sequential, Blocked, Interleaved} {
		steps := planned(t, order, "1")
		if len(steps) != 2*2*2*3 {
			t.Fatalf("%s: saw %d steps, want 2 backends x 2 modes x 2 scenarios x 3 repetitions", order, len(steps))
		}
		seen := map[string]bool{}
		for i, s := range steps {
			if seen[s.RunID] {
				t.Errorf("%s: run id %s twice", order, s.RunID)
			}
			seen[s.RunID] = true
			if s.OrderIndex != int64(i) {
				t.Errorf("%s: order index %d at place %d", order, s.OrderIndex, i)
			}
			if !strings.HasPrefix(s.RunID, s.CellID()+"/s") {
				t.Errorf("%s: cell id %q of run %q", order, s.CellID(), s.RunID)
			}
		}
		for i := range 12 {
			if steps[i].Backend != steps[0].Backend || steps[12+i].Backend != steps[12].Backend {
				t.Errorf("%s: backends are mixed", order)
			}
		}
	}
}

func TestOrders(t *testing.T) {
	seq := ids(planned(t, Sequential, "1"))
	if seq[0] != "onnxruntime-cpu/prefill/one/s0/r0" || seq[1] != "onnxruntime-cpu/prefill/one/s0/r1" {
		t.Errorf("sequential: saw %v", seq[:2])
	}
	blocked := ids(planned(t, Blocked, "1"))
	if blocked[1] != "onnxruntime-cpu/prefill/text/s0/r0" || blocked[4] != "onnxruntime-cpu/prefill/one/s0/r1" {
		t.Errorf("blocked: saw %v", blocked[:5])
	}
	inter := planned(t, Interleaved, "1")
	for i := range inter[:12] { // a randomised complete block: every cell once in each repetition
		if inter[i].Repetition != int64(i/4) {
			t.Errorf("interleaved: place %d has repetition %d", i, inter[i].Repetition)
		}
	}
}

func TestInterleavingDependsOnSeedAlone(t *testing.T) {
	a, b, c := ids(planned(t, Interleaved, "1")), ids(planned(t, Interleaved, "1")), ids(planned(t, Interleaved, "2"))
	if !slices.Equal(a, b) {
		t.Error("the same seed gave two orders")
	}
	if slices.Equal(a, c) {
		t.Error("two seeds gave one order")
	}
}

func TestSameBackendWithOtherSettings(t *testing.T) {
	m, err := Parse("m.yaml", []byte(strings.Replace(good, "  - onnxruntime-cpu\n", "  - {name: x, threads: 1}\n  - {name: x, threads: 2}\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range m.Plan() {
		if seen[s.RunID] {
			t.Fatalf("run id %s twice", s.RunID)
		}
		seen[s.RunID] = true
	}
}

// withSessions is the plan of three backends and a number of sessions.
func withSessions(t *testing.T, order Order, sessions int) []Step {
	t.Helper()
	text := strings.Replace(good, "  - onnxruntime-cpu\n", "  - onnxruntime-cpu\n  - third\n", 1)
	m, err := Parse("m.yaml", fmt.Appendf([]byte(text), "order: %s\nsessions: %d\n", order, sessions))
	if err != nil {
		t.Fatal(err)
	}
	return m.Plan()
}

// blocks lists the backends in the order in which their sessions run.
func blocks(steps []Step) []string {
	var out []string
	for i := range steps {
		if i == 0 || steps[i].Backend != steps[i-1].Backend || steps[i].Session != steps[i-1].Session {
			out = append(out, fmt.Sprintf("%d %s", steps[i].Session, steps[i].Backend.Name))
		}
	}
	return out
}

// TestSessionsAreBlocks checks that each session runs every backend once, in an order drawn anew.
func TestSessionsAreBlocks(t *testing.T) {
	const sessions, backends = 6, 3
	got := blocks(withSessions(t, Interleaved, sessions))
	if len(got) != sessions*backends {
		t.Fatalf("saw %d blocks %v, want %d", len(got), got, sessions*backends)
	}
	orders := map[string]bool{}
	for s := range sessions {
		block := slices.Clone(got[s*backends : (s+1)*backends])
		for _, b := range block {
			if !strings.HasPrefix(b, fmt.Sprint(s)+" ") {
				t.Errorf("session %d: saw %v", s, block)
			}
		}
		orders[strings.ReplaceAll(strings.Join(block, ","), fmt.Sprint(s)+" ", "")] = true
		slices.Sort(block)
		if len(slices.Compact(block)) != backends {
			t.Errorf("session %d: saw %v, want every backend once", s, block)
		}
	}
	if len(orders) < 2 {
		t.Errorf("saw one order in %d sessions: %v", sessions, orders)
	}
	for i, b := range blocks(withSessions(t, Sequential, 2)) {
		if want := []string{"0 onnxruntime-cpu", "0 third", "0 other", "1 onnxruntime-cpu", "1 third", "1 other"}[i]; b != want {
			t.Errorf("sequential: saw %q at place %d, want %q, the file's order", b, i, want)
		}
	}
}
