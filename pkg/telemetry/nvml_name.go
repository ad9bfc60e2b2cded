package telemetry

const (
	nvmlName     = "nvml"
	nvmlMeasures = "NVIDIA GPU energy, power, temperature, utilisation, memory, clock and throttling"
)
