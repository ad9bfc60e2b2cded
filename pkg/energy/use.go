package energy

import (
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// Burdens reports whether a device whose utilisation is told draws more of another's power when it works: of its own, that of
// the processors, which the kernel tells of the host as a whole, of all that is no GPU, and a GPU of the whole machine.
func Burdens(busy, power string) bool {
	gpu := strings.HasPrefix(power, string(record.GPU)+":")
	switch {
	case busy == power:
		return true
	case busy == hostName:
		return !gpu
	}
	kind, _, _ := strings.Cut(power, ":")
	return strings.HasPrefix(busy, string(record.GPU)+":") && slices.Contains(machines, kind)
}

// hostName is the device that the utilisation of all processors is told of.
const hostName = "host"

// machines are the kinds of device that measure a whole machine.
var machines = []string{"system", "psys", "meter", "battery"}

// Use adds up how busy a device was in a stretch of time. A reading of utilisation tells of the time since the one before it.
type Use struct {
	From, To int64 // To is 0 while the stretch goes on

	last        int64 // when utilisation was read last; 0 for never
	known, busy float64
}

// Add takes the next reading in, which may lie before the stretch or behind it.
func (u *Use) Add(ts int64, use units.Percent) {
	from, to := max(u.last, u.From, ts-int64(patience)), ts
	if u.To != 0 {
		to = min(to, u.To)
	}
	if u.last != 0 && to > from {
		u.known += float64(to - from)
		u.busy += float64(to-from) * float64(use)
	}
	u.last = ts
}

// Next is the use of a stretch that begins later, of the same device.
func (u Use) Next(from int64) Use { return Use{From: from, last: u.last} }

// knownLeast is the least share of a stretch that is to be known for it to count as idle.
const knownLeast = 0.5

// Rested reports whether the device was left alone: busy for MaxIdleUse of the stretch at most, of which enough is known.
func (u *Use) Rested() bool {
	end := u.To
	if end == 0 {
		end = u.last
	}
	return u.known > 0 && u.known >= knownLeast*float64(end-u.From) && u.busy <= MaxIdleUse*u.known
}
