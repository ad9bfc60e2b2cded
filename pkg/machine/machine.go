// Package machine binds workers to CPUs and says who used the CPUs while they ran: the run itself, other processes, or
// other virtual machines. It measures no power and knows no backend.
package machine

import (
	"slices"
	"strconv"
	"strings"
)

// CPUSet is a list of logical CPUs in ascending order.
type CPUSet []int

// String is the set as Linux writes it: 0-3,8.
func (s CPUSet) String() string {
	var parts []string
	for i := 0; i < len(s); {
		j := i
		for j+1 < len(s) && s[j+1] == s[j]+1 {
			j++
		}
		part := strconv.Itoa(s[i])
		if j > i {
			part += "-" + strconv.Itoa(s[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// Choose picks n of the allowed CPUs, from as many different cores as there are: two threads on one core share its
// arithmetic units. core says which core a CPU belongs to. With n above the number of CPUs it picks all.
func Choose(allowed CPUSet, core func(cpu int) string, n int) CPUSet {
	var out CPUSet
	left := slices.Clone(allowed)
	for len(out) < n && len(left) > 0 {
		taken := map[string]bool{}
		var rest CPUSet
		for _, cpu := range left {
			if c := core(cpu); len(out) < n && !taken[c] {
				taken[c] = true
				out = append(out, cpu)
			} else {
				rest = append(rest, cpu)
			}
		}
		left = rest
	}
	slices.Sort(out)
	return out
}
