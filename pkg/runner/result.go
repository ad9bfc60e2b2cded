package runner

import (
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
	"github.com/banterhearts/bh/pkg/worker"
)

// blank is the record of a step before anything has happened.
func (s *session) blank(step *matrix.Step) *record.Run {
	r := &record.Run{
		Schema:       record.SchemaRun,
		Experiment:   s.Matrix.Experiment,
		RunID:        step.RunID,
		Host:         s.Host,
		Backend:      s.backend.Name,
		Model:        s.Model.Name,
		Precision:    s.spec.Precision,
		Device:       s.backend.Device,
		Settings:     step.Backend.SettingsString(),
		Scenario:     step.Scenario.Name,
		Mode:         step.Mode,
		BatchSize:    step.Scenario.BatchSize,
		PromptTokens: step.Scenario.PromptTokens,
		Session:      step.Session,
		Repetition:   step.Repetition,
		OrderIndex:   step.OrderIndex,
		Seed:         s.Matrix.Seed,
		Threads:      int64(s.spec.Threads),
		Concurrency:  max(step.Scenario.Concurrency, 1),
		Temperature:  s.Matrix.Temperature,
	}
	if step.Mode != record.Prefill {
		r.MaxNewTokens = step.Scenario.MaxNewTokens
	}
	return r
}

// complete fills a record with what the worker measured.
func complete(r *record.Run, w *worker.Window) {
	r.Status = record.OK
	r.StartUnixNS, r.EndUnixNS = &w.StartUnixNS, &w.EndUnixNS
	r.IterationNS = w.IterationNS
	n := int64(len(w.IterationNS))
	var total int64
	for _, ns := range w.IterationNS {
		total += ns
	}
	r.Iterations = &n
	r.LatencyNS = units.Ptr(total / n)
	r.TokensProcessed = units.Ptr(units.Tokens(w.Processed))
	if r.Mode != record.Prefill {
		r.TokensGenerated = units.Ptr(units.Tokens(w.Generated))
		r.TTFTNS = &w.TTFTNS
		r.ITLNS = w.ITLNS
	}
	r.ThroughputTokS = units.Ptr((*r.Tokens() * units.Tokens(n)).Rate(time.Duration(total)))
	if w.RSSPeakBytes != nil {
		r.RSSPeakBytes = units.Ptr(units.Bytes(*w.RSSPeakBytes))
	}
	r.GCDuringWindow = &w.GCs
	if w.GapNS > 0 {
		r.ToolGapNS = &w.GapNS
	}
	if w.VRAMPeakBytes != nil {
		r.VRAMPeakBytes = units.Ptr(units.Bytes(*w.VRAMPeakBytes))
	}
	r.OutputHash, r.OutputIDs = worker.Hash(w.Output), slices.Concat(w.Output...)
	r.RequestNS, r.Recompiles = w.RequestNS, w.Recompiles
	if w.Server != nil {
		r.ServerLoadNS, r.ServerPrefillNS, r.ServerDecodeNS = &w.Server.LoadNS, &w.Server.PrefillNS, &w.Server.DecodeNS
	}
	r.CachedPromptTokens = w.Cached
	r.Flags = strings.Join(w.Flags, ",")
}

// setReason makes the record one of a run without measurements.
func setReason(r *record.Run, status record.Status, reason backend.Reason, detail string) {
	r.Status, r.Reason, r.Detail = status, string(reason), manifest.PublicPath(detail)
}
