package units

import (
	"fmt"
	"strconv"
	"strings"
)

// Absent is how every table shows a value that was not measured.
const Absent = "n/a"

// G4 formats v with four significant digits as C's "%.4g" does, the form of the tables of TR119: no trailing zeros, an
// exponent of at least two digits below 1e-4 and from 1e4 on.
func G4(v float64) string { return fmt.Sprintf("%.4g", v) }

// G4Ptr is G4, or Absent for nil.
func G4Ptr[T ~float64](v *T) string {
	if v == nil {
		return Absent
	}
	return G4(float64(*v))
}

// ByteSize formats b with a binary prefix: "512 B", "1.5 GiB".
func (b Bytes) String() string {
	const unit = 1024
	if b < unit && b > -unit {
		return strconv.FormatInt(int64(b), 10) + " B"
	}
	v, i := float64(b)/unit, 0
	for ; (v >= unit || v <= -unit) && i < 5; i++ {
		v /= unit
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + string("KMGTPE"[i]) + "iB"
}
