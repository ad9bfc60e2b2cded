//go:build !linux || !cgo

package telemetry

func init() {
	register(member{name: nvmlName, measures: nvmlMeasures, open: func(Environment, Options) (Source, string, error) {
		return nil, "", &unavailable{kind: ErrAbsent, why: "this build reads no NVIDIA GPU: that takes Linux and a build with cgo"}
	}})
}
