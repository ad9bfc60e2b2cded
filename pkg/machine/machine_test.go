package machine

import (
	"slices"
	"testing"
)

func TestCPUSetString(t *testing.T) {
	for want, set := range map[string]CPUSet{"": nil, "3": {3}, "0-1": {0, 1}, "0-3,8,10-11": {0, 1, 2, 3, 8, 10, 11}} {
		if got := set.String(); got != want {
			t.Errorf("saw %q, want %q", got, want)
		}
	}
}

// TestChooseTakesCoresBeforeSiblings has four cores of two CPUs each, numbered as Linux does: 0-3, then their siblings 4-7.
func TestChooseTakesCoresBeforeSiblings(t *testing.T) {
	core := func(cpu int) string { return string(rune('a' + cpu%4)) }
	all := CPUSet{0, 1, 2, 3, 4, 5, 6, 7}
	for _, c := range []struct {
		allowed CPUSet
		n       int
		want    CPUSet
	}{
		{all, 1, CPUSet{0}}, {all, 4, CPUSet{0, 1, 2, 3}}, {all, 6, CPUSet{0, 1, 2, 3, 4, 5}}, {all, 99, all},
		{CPUSet{1, 5, 6}, 2, CPUSet{1, 6}}, {nil, 2, nil},
	} {
		if got := Choose(c.allowed, core, c.n); !slices.Equal(got, c.want) {
			t.Errorf("%d of %s: saw %s, want %s", c.n, c.allowed, got, c.want)
		}
	}
}
