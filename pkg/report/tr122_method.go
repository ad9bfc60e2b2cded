package report

import (
	"github.com/banterhearts/bh/pkg/roofline"
	"github.com/banterhearts/bh/pkg/units"
)

func init() {
	registerFor(TR122, section{placeMethodology + 5, "Energy and power", energyMethod})
	registerFor(TR122, section{placeMethodology + 6, "Roofs and utilisation", roofMethod})
	registerFor(TR122, section{placeEnvironment + 4, "Calibration", calibrationTable})
}

func energyMethod(*data) []Block {
	return []Block{list(
		prose("%s energy is everything that the device drew in the window of a run; %s energy is that less what it draws when the machine is left alone, which was measured before the workers and after them. Both are per iteration and per token that throughput counts: prompt tokens of a prefill, new tokens else.", strong("Amortised"), strong("marginal")),
		prose("%s: half of the width of the 95% bound on what sampling adds to the energy of a run (%s), as a share of it. It is of one run; the intervals beside the means come from repeating the runs.", strong("bound"), code("energy_error_joules")),
		prose("%s = 3.6e6 * tokens / energy. It is the mean over runs, and so not quite the inverse of a mean energy.", code("tokens_per_kwh")),
		prose("%s is the highest reading in any window of the runs, and as high as the sensor is fast.", strong("peak power")),
	)}
}

func roofMethod(*data) []Block {
	return []Block{
		list(
			prose("A %s is one pass of the model: a prefill; each pass of decoding without a cache; with one, the time per output token (TPOT), which is what is left of the latency after the first token over the tokens that are left.", strong("step")),
			prose("%s, model bandwidth utilisation = bytes of a step / time of a step / measured bandwidth, with bytes = parameters * b + 2 * layers * width * context * b * batch at b bytes per element, the second term with a cache alone: Agarwal et al. (2023), LLM Inference Performance Engineering: Best Practices, Databricks.", strong("MBU")),
			prose("%s, model FLOPs utilisation = operations of a step / time of a step / measured FLOP rate, with operations = (2 * parameters + 4 * layers * width * context) * new positions: the forward third of Chowdhery et al. (2022), PaLM, appendix B. Ollama computes the logits of the last position of a sequence alone: for each other one 2 * width * vocabulary operations less are counted. Which positions another server computes them of is not known, and so its MFU of a prefill is not.", strong("MFU")),
			prose("The FLOP rate is what %s reaches on this machine, not what the processor could: another library may reach more, as OpenBLAS did by some 17% on one machine. MFU is relative to that rate, and compares backends rather than telling what is left to gain.", strong("ONNX Runtime's matrix product")),
			prose("Both count what has to be read and computed, not what was: a backend that reads a weight twice has the same MBU, and a server that keeps its cache in 16 bits beside weights in 32, as llama.cpp does, reads a little less than is counted. Above 100% is possible where weights stay in the cache of the processor, which is faster than the memory that was measured; the roofs are measured too, and a kernel can be better than the best of those."),
			prose("The roofs are the best of %s and more repetitions, as STREAM has it (McCalpin 1995, Memory Bandwidth and Machine Balance in Current High Performance Computers), with the threads of the runs on the same processors.", word("10")),
		),
		list(
			prose("Which limit holds a backend back is judged by named thresholds, in this order: %s where the device slowed down in more than %s% of the window; %s or %s, the larger of MBU and MFU, where that is %s% or more; %s where both are below %s% and the threads computed in less than %s% of the time, or half of the time or more passed between client and engine; %s otherwise. It is %s without a calibration, where the 95% intervals of MBU and MFU cover more than one verdict, and where other processes used more than %s% of the CPUs beside the runs.",
				strong(string(roofline.Throttled)), word(units.G4(roofline.ThrottledPct)), strong(string(roofline.MemoryBound)), strong(string(roofline.Compute)), word(units.G4(roofline.NearPct)),
				strong(string(roofline.HostBound)), word(units.G4(roofline.FarPct)), word(units.G4(roofline.IdleCPUPct)), strong(string(roofline.Between)), strong(string(roofline.Unknown)), word(units.G4(roofline.ForeignPct))),
			phrase("The thresholds are conventions: the numbers stand beside every verdict."),
		),
	}
}

// calibrationTable shows what each kernel reached.
func calibrationTable(d *data) []Block {
	k := d.Calibration
	if k == nil {
		return []Block{Note{Remark, d.calibrated()}}
	}
	t := newTable("What the machine reached", []string{"Kernel", "Unit"}, []string{"best", "median", "worst", "repetitions"})
	for _, kind := range []struct {
		unit, field string
		rates       []roofline.Rate
	}{{"GB/s", "bandwidths", k.Bandwidths}, {"GFLOP/s", "flop_rates", k.FLOPs}} {
		for _, r := range kind.rates {
			n := func(v float64, column string) number {
				return number{value: &v, source: Source{Artifact: roofline.FileName, Row: kind.field + ", kernel=" + r.Kernel, Column: column}}
			}
			cells := []Line{phrase(r.Kernel), phrase(kind.unit)}
			for _, c := range []number{n(r.Best, "best"), n(r.Median, "median"), n(r.Worst, "worst")} {
				cells = append(cells, c.times(1e-9, "in "+kind.unit).cell())
			}
			t.lines(append(cells, Line{n(float64(r.Repetitions), "repetitions").integer()}))
		}
	}
	cache := "of unknown size"
	if k.LastLevelCacheBytes != nil {
		cache = "of " + k.LastLevelCacheBytes.String()
	}
	t.note("%s, arrays of %s beside a last-level cache %s. Copy and triad count bytes read and written, as STREAM does; the matrix-vector product, which is what decoding does, counts the bytes of the matrix. The highest is the roof. The FLOP rate is that of ONNX Runtime's matrix product: another library may reach more, so that MFU is relative to it.",
		word(count(int64(k.Threads), "thread")), word(k.ArrayBytes.String()), word(cache))
	blocks := []Block{Paragraph{d.calibrated()}, t.block()}
	for _, warning := range k.Warnings {
		blocks = append(blocks, Note{Warning, prose("The calibration: %s.", word(warning))})
	}
	return blocks
}

// energyDefinitions122 are the definitions that TR122 has in place of those of costs.
func energyDefinitions122() []Line {
	return []Line{
		prose("%s: of the tokens that throughput counts, over everything the device drew in the window; %s: without what it draws idle.", strong("energy per token"), strong("marginal")),
		prose("%s: the share of the window in which the device slowed down for heat or power.", strong("throttled")),
		prose("%s: resident memory of the worker and all its children, servers included; their CPU time likewise.", strong("memory of the processes")),
		prose("%s, %s: how near a step came to the bandwidth of the memory and to the FLOP rate, as measured on this machine (section 2).", strong("MBU"), strong("MFU")),
	}
}
