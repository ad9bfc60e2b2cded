// Package roofline holds what a machine can reach at most, as it was measured, and says how near to it a model came: model
// bandwidth utilisation, model FLOPs utilisation, and which of the two roofs is the near one (Williams, Waterman and
// Patterson 2009, "Roofline: an insightful visual performance model for multicore architectures"). It measures nothing;
// package calibrate does.
package roofline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/units"
)

// Schema is the schema of this version's calibrations.
const Schema = "bh.calibration/1"

// FileName is what a calibration is called in a results folder.
const FileName = "calibration.json"

// Calibration is the content of calibration.json: the roofs of a machine's processors with a number of threads.
type Calibration struct {
	Schema      string            `json:"schema"`
	Host        string            `json:"host"` // the pseudonym of the run records
	MeasuredUTC time.Time         `json:"measured_utc"`
	Tool        string            `json:"tool"`     // version line
	Versions    map[string]string `json:"versions"` // of what measured
	Device      string            `json:"device"`   // cpu
	Processor   string            `json:"processor"`
	Threads     int               `json:"threads"`
	CPUAffinity string            `json:"cpu_affinity"` // logical CPUs that the threads were bound to; empty where they were not

	LastLevelCacheBytes *units.Bytes `json:"last_level_cache_bytes"` // null where the system does not tell
	ArrayBytes          units.Bytes  `json:"array_bytes"`            // of each array that the kernels pass over
	Bandwidths          []Rate       `json:"bandwidths"`             // bytes/s of each kernel
	FLOPs               []Rate       `json:"flop_rates"`             // FLOP/s of each kernel

	BandwidthBytesPerS *float64 `json:"bandwidth_bytes_per_s"` // the highest of Bandwidths; null with its reason below
	BandwidthMethod    string   `json:"bandwidth_method"`
	BandwidthAbsent    string   `json:"bandwidth_absent,omitempty"`
	FLOPPerS           *float64 `json:"flop_per_s"`
	FLOPMethod         string   `json:"flop_method"`
	FLOPPrecision      string   `json:"flop_precision"`
	FLOPAbsent         string   `json:"flop_absent,omitempty"`

	ForeignCPUPct *units.Percent `json:"foreign_cpu_pct"` // of the CPUs' time meanwhile, used by other processes
	CPUStealPct   *units.Percent `json:"cpu_steal_pct"`   // and taken by other virtual machines
	Warnings      []string       `json:"warnings"`
}

// Rate is what one kernel reached: its best repetition, as STREAM reports it, the median and the slowest.
type Rate struct {
	Kernel      string  `json:"kernel"`
	Moved       string  `json:"counts"` // what is counted
	Repetitions int     `json:"repetitions"`
	Best        float64 `json:"best"`
	Median      float64 `json:"median"`
	Worst       float64 `json:"worst"`
}

// Read reads a calibration. One of another schema, or without any kernel, is bad input.
func Read(path string) (*Calibration, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, cli.BadInput(err)
	}
	c := new(Calibration)
	if err := json.Unmarshal(data, c); err != nil {
		return nil, cli.BadInputf("%s: %w", path, err)
	}
	if err := c.validate(); err != nil {
		return nil, cli.BadInputf("%s: %w", path, err)
	}
	return c, nil
}

func (c *Calibration) validate() error {
	switch {
	case c.Schema != Schema:
		return fmt.Errorf("field schema: saw %q, want %q", c.Schema, Schema)
	case c.Threads < 1:
		return fmt.Errorf("field threads: saw %d, want at least 1", c.Threads)
	}
	for name, v := range map[string]*float64{"bandwidth_bytes_per_s": c.BandwidthBytesPerS, "flop_per_s": c.FLOPPerS} {
		if v != nil && *v <= 0 {
			return fmt.Errorf("field %s: saw %v, want a number above 0 or null", name, *v)
		}
	}
	return nil
}

// JSON is the calibration as its file holds it.
func (c *Calibration) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(c); err != nil {
		return nil, fmt.Errorf("calibration: %w", err)
	}
	return b.Bytes(), nil
}

// Settle takes the highest of each kind of kernel as the roof: what any kernel reached is there to be reached.
func (c *Calibration) Settle() {
	for _, r := range c.Bandwidths {
		if c.BandwidthBytesPerS == nil || r.Best > *c.BandwidthBytesPerS {
			c.BandwidthBytesPerS, c.BandwidthMethod = units.Ptr(r.Best), r.Kernel
		}
	}
	for _, r := range c.FLOPs {
		if c.FLOPPerS == nil || r.Best > *c.FLOPPerS {
			c.FLOPPerS, c.FLOPMethod = units.Ptr(r.Best), r.Kernel
		}
	}
}
