//go:build !linux

package machine

import "errors"

// ErrUnsupported says that this system does not tell.
var ErrUnsupported = errors.New("CPU affinity and the load of processes are read on Linux only")

// Allowed is not known here.
func Allowed(int) (CPUSet, error) { return nil, ErrUnsupported }

// Pick chooses nothing here.
func Pick(int) (CPUSet, error) { return nil, ErrUnsupported }

// Bound runs start unbound here.
func Bound(_ CPUSet, start func() error) error { return start() }

// Load is empty here.
type Load struct{}

// Loads is empty here.
type Loads struct{}

// Read reads nothing here.
func (*Loads) Read(...int) (Load, error) { return Load{}, ErrUnsupported }

// Since tells nothing here.
func (Load) Since(Load) (stealPct, foreignPct float64, ok bool) { return 0, 0, false }

// OOMKills is not known here.
func OOMKills() int64 { return 0 }

// Tree is the process alone here.
func Tree(root int) []int { return []int{root} }
