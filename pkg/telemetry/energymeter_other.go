//go:build !windows || !(amd64 || arm64)

package telemetry

func init() {
	register(member{name: energyMeterName, measures: energyMeterMeasures, cpuPower: true,
		open: func(Environment, Options) (Source, string, error) {
			return nil, "", &unavailable{kind: ErrAbsent, why: "this is not Windows on amd64 or arm64"}
		}})
}
