package energy

import "slices"

// tenancy is whether the measured processes had memory on a GPU in a window.
type tenancy struct {
	held bool
	sure bool // told in the window, or the same before and after it
}

// tenancy says what is known of the measured processes' memory on a GPU in w. It is told about once a second: what was told in the
// window counts; else what was told before and after it, of which either may be of another run, is sure where both are the same.
func (d *device) tenancy(w Window) tenancy {
	held := d.own.latest(w) > 0
	if len(d.own.within(w.Start, w.End)) > 0 {
		return tenancy{held: held, sure: true}
	}
	next := d.own.after(w.End)
	if next == len(d.own) || d.own[next].ts > w.End+w.reach() {
		return tenancy{held: held}
	}
	after := d.own[next].v > 0
	return tenancy{held: held || after, sure: held == after}
}

// vacant reports whether it was told, in w or before and after it, that the measured processes had no memory on the GPU.
func (d *device) vacant(w Window) bool {
	t := d.tenancy(w)
	return t.sure && !t.held
}

// occupied is how many devices of a group held memory of the measured processes.
func occupied(group []*device, w Window) int { return len(holders(group, w)) }

// holders is the devices of a group that held memory of the measured processes.
func holders(group []*device, w Window) []*device {
	return slices.DeleteFunc(slices.Clone(group), func(d *device) bool { return !d.tenancy(w).held })
}

// used narrows GPUs down to those in whose memory the measured processes were, where the source tells that.
func used(group []*device, w Window) []*device {
	if in := holders(group, w); len(in) > 0 {
		return in
	}
	return group
}

// guessed reports whether it is not sure which of several GPUs the measured processes used.
func guessed(group []*device, w Window) bool {
	in := holders(group, w)
	return len(in) == 0 || slices.ContainsFunc(in, func(d *device) bool { return !d.tenancy(w).sure })
}
