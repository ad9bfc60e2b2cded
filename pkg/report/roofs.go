package report

import (
	"fmt"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/roofline"
)

// runShape is what the work of a step follows from.
type runShape struct {
	mode   record.Mode
	batch  float64
	prompt float64 // tokens of each sequence
	news   float64 // new tokens of each sequence, on average
}

func shapeOf(r *record.Run) runShape {
	s := runShape{mode: r.Mode, batch: float64(r.BatchSize), prompt: float64(r.PromptTokens)}
	if r.TokensGenerated != nil {
		s.news = float64(*r.TokensGenerated) / s.batch
	}
	return s
}

// stepMS is the time of one step of a run: of a prefill the pass itself; without a cache the passes are as many as there
// are new tokens; with one, the time per output token (TPOT): what is left after the first token over the tokens left.
func stepMS(r *record.Run) *float64 {
	s := shapeOf(r)
	latency := float64(*r.LatencyNS) / 1e6
	switch {
	case r.Mode == record.Prefill:
		return &latency
	case s.news <= 0:
		return nil
	case r.Mode == record.Generate:
		return ptr(latency / s.news)
	case r.TTFTNS == nil || s.news <= 1:
		return nil
	}
	return ptr((latency - float64(*r.TTFTNS)/1e6) / (s.news - 1))
}

// logits says of which positions of a prompt a backend computes logits.
type logits int

const (
	logitsOfAll  logits = iota // the forward pass returns them all: ONNX Runtime, transformers and what runs their graphs
	logitsOfLast               // Ollama's engine (llama.cpp), which computes those that it is asked for; docs/backends.md
	logitsOfSome               // a server that this project did not start: which engine it runs is not known
)

// logitsBy are the backends that do not compute the logits of all positions.
var logitsBy = map[string]logits{"ollama": logitsOfLast, "openai": logitsOfSome}

// noOperations says why the operations of a cell are not known; empty where they are. A step of decoding with a cache has
// one position and needs its logits, whatever the backend.
func (d *data) noOperations(c cellRow) string {
	of := logitsBy[c.Backend]
	switch {
	case c.Mode == record.GenerateCached || of == logitsOfAll:
		return ""
	case of == logitsOfSome:
		return "of which positions of a prompt the server computes logits is not known"
	case d.Manifest.Model.VocabSize == 0:
		return c.Backend + " computes the logits of the last position alone, and the manifest lacks the size of the vocabulary"
	}
	return ""
}

// work is the bytes and the floating point operations of a mean step of the shape.
func (s runShape) work(m roofline.Shape, bytesPerElement float64, of logits) (bytes, flop float64) {
	step := roofline.Step{Batch: s.batch, Tokens: s.prompt, Context: s.prompt}
	if of == logitsOfLast {
		step.Bare = s.prompt - 1
	}
	switch s.mode {
	case record.GenerateCached: // of the steps after the first token, the middle one: both are linear in the context
		step = roofline.Step{Batch: s.batch, Tokens: 1, Context: s.prompt + s.news/2, Cached: true}
	case record.Generate: // passes over a sequence that grows
		passes := int(s.news + 0.5)
		for i := range passes {
			step.Tokens, step.Context = s.prompt+float64(i), s.prompt+float64(i)
			if of == logitsOfLast {
				step.Bare = step.Tokens - 1
			}
			flop += m.FLOP(step) / float64(passes)
		}
		return m.Bytes(step, bytesPerElement), flop
	}
	return m.Bytes(step, bytesPerElement), m.FLOP(step)
}

// elementBytes is the width of a parameter at each precision.
var elementBytes = map[string]float64{"fp32": 4, "fp16": 2, "bf16": 2, "int8": 1}

// roofs is how near a cell, or the mean of several, came to the roofs; per cent.
type roofs struct {
	stepMS, bytes, flop number // of a step
	mbu, mfu            number
	mbuLow, mbuHigh     number
	mfuLow, mfuHigh     number
	absent              string // why there are none
}

// noRoofs says why a cell cannot be held against the calibration; empty where it can.
func (d *data) noRoofs(c cellRow) string {
	s, k := d.resources(c), d.Calibration
	switch {
	case s == nil:
		return absence(c)
	case k == nil:
		return "no " + roofline.FileName + " beside the runs (bh-run doctor --calibrate measures the roofs)"
	case c.Device != record.CPU:
		return "the calibration is of the CPU, not of the GPU"
	case k.Host != c.Host:
		return "the calibration is of another machine, " + k.Host
	case s.threads != int64(k.Threads):
		return fmt.Sprintf("calibrated with %s, the runs had %s", count(int64(k.Threads), "thread"), threadWords(s.threads))
	case s.concurrency > 1:
		return "requests in flight at once: which of them share a step is not known"
	case d.Manifest == nil || d.Manifest.Model == nil || d.Manifest.Model.Parameters == 0 || d.Manifest.Model.Layers == 0 || d.Manifest.Model.Width == 0:
		return "the manifest lacks the model's parameters, layers and width"
	case elementBytes[c.Precision] == 0:
		return fmt.Sprintf("precision %q has no known width", c.Precision)
	case s.sums[resStepMS.index].n == 0:
		return "the time of a step is not on record"
	}
	return ""
}

// count is a number of things: 1 thread, 2 threads.
func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func threadWords(n int64) string {
	if n == 0 {
		return "as many as the server chose"
	}
	return fmt.Sprint(n)
}

// roofsOf holds a cell against the calibration.
func (d *data) roofsOf(c cellRow) roofs {
	row := cellKey(c) + ", scenario=" + c.Scenario
	r := roofs{absent: d.noRoofs(c)}
	of := func(artifact, column, how string) number {
		return number{source: Source{Artifact: artifact, Row: row, Column: column, How: how}}
	}
	r.stepMS = d.resourceNumber(c, resStepMS)
	const fields = "model.parameters, model.layers, model.width, model.vocab_size"
	r.bytes, r.flop = of("manifest.json", fields, "bytes of a step"), of("manifest.json", fields, "floating point operations of a step")
	r.mbu = of(d.CellsName, resStepMS.name+" and bandwidth_bytes_per_s of "+roofline.FileName, "bytes of a step / time of a step / bandwidth, per cent")
	r.mfu = of(d.CellsName, resStepMS.name+" and flop_per_s of "+roofline.FileName, "operations of a step / time of a step / FLOP rate, per cent")
	r.mbuLow, r.mbuHigh, r.mfuLow, r.mfuHigh = r.mbu, r.mbu, r.mfu, r.mfu
	if r.absent != "" {
		for _, n := range []*number{&r.bytes, &r.flop, &r.mbu, &r.mfu, &r.mbuLow, &r.mbuHigh, &r.mfuLow, &r.mfuHigh} {
			n.source.How = "absent: " + r.absent
		}
		return r
	}
	m := d.Manifest.Model
	bytes, flop := d.resources(c).shape.work(roofline.Shape{Parameters: m.Parameters, Layers: m.Layers, Width: m.Width, Vocabulary: m.VocabSize},
		elementBytes[c.Precision], logitsBy[c.Backend])
	r.bytes.value, r.flop.value = &bytes, &flop
	b, ok := d.resources(c).bounds(resStepMS)
	d.against(&r.mbu, &r.mbuLow, &r.mbuHigh, bytes, d.Calibration.BandwidthBytesPerS, d.Calibration.BandwidthAbsent, *r.stepMS.value, b, ok)
	rate, why := d.Calibration.FLOPPerS, d.Calibration.FLOPAbsent
	if rate != nil && d.Calibration.FLOPPrecision != c.Precision {
		rate, why = nil, "the FLOP rate was measured in "+d.Calibration.FLOPPrecision
	}
	if unknown := d.noOperations(c); unknown != "" {
		rate, why = nil, unknown
		r.flop.value, r.flop.source.How = nil, "absent: "+unknown
	}
	d.against(&r.mfu, &r.mfuLow, &r.mfuHigh, flop, rate, why, *r.stepMS.value, b, ok)
	return r
}

// against fills in a utilisation and its interval, which is that of the time of a step turned round.
func (d *data) against(n, low, high *number, work float64, roof *float64, why string, ms float64, b bounded, ok bool) {
	if roof == nil {
		n.source.How, low.source.How, high.source.How = "absent: "+why, "absent: "+why, "absent: "+why
		return
	}
	pct := func(ms float64) *float64 { return ptr(100 * work / (ms / 1e3) / *roof) }
	n.value = pct(ms)
	if !ok || b.low <= 0 {
		low.source.How, high.source.How = "absent: fewer than two runs, or runs without spread", "absent: fewer than two runs, or runs without spread"
		return
	}
	low.value, high.value = pct(b.high), pct(b.low)
	low.source.How, high.source.How = also(low.source.How, "lower end of the 95% interval"), also(high.source.How, "upper end of the 95% interval")
}
