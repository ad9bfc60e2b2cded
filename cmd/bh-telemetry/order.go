package main

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"os"
	"slices"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

// order watches the order of samples in time, of each device apart. The zero value has seen none.
type order struct {
	latest              map[reader]int64
	samples, disordered int
}

// reader is who reads a device.
type reader struct{ host, source, device string }

// take reports whether no sample of the same device before s is younger.
func (o *order) take(s *record.Sample) bool {
	if o.latest == nil {
		o.latest = map[reader]int64{}
	}
	o.samples++
	key := reader{s.Host, s.Source, s.Device}
	if s.TSUnixNS < o.latest[key] {
		o.disordered++
		return false
	}
	o.latest[key] = s.TSUnixNS
	return true
}

// err says how many were not in order, if any.
func (o *order) err() error {
	if o.disordered == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d samples were out of order in time and are left out", o.disordered, o.samples)
}

// extent is the time that a file covers on one host.
type extent struct {
	file, host  string
	first, last int64
}

// inOrder puts the files of a recording in order of time; those of one host must not overlap.
func inOrder(ctx context.Context, files []string, from store.Format) ([]string, error) {
	var all []extent
	for _, file := range files {
		found, err := extents(ctx, store.Input{Paths: []string{file}, From: from})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b extent) int { return cmp.Compare(a.first, b.first) })
	latest := map[string]extent{}
	var names []string
	for _, e := range all {
		if before, ok := latest[e.host]; ok && e.first <= before.last {
			return nil, cli.BadInputf("recordings overlap: %s and %s both have samples of host %s of one time, summarise them one by one",
				before.file, e.file, e.host)
		}
		latest[e.host] = e
		if !slices.Contains(names, e.file) {
			names = append(names, e.file)
		}
	}
	return names, nil
}

// extents are those of one file.
func extents(ctx context.Context, in store.Input) ([]extent, error) {
	var out []extent
	_, err := store.Scan(ctx, in, store.Handlers{Sample: func(s *record.Sample) error {
		i := slices.IndexFunc(out, func(e extent) bool { return e.host == s.Host })
		if i < 0 {
			i, out = len(out), append(out, extent{in.Paths[0], s.Host, s.TSUnixNS, s.TSUnixNS})
		}
		out[i].first, out[i].last = min(out[i].first, s.TSUnixNS), max(out[i].last, s.TSUnixNS)
		return nil
	}})
	return out, err
}

// readings is the samples of a recording as they are read; each time from the beginning, where that can be.
type readings = iter.Seq2[*record.Sample, error]

// atOnce opens a recording when it is asked for its first sample, and reads it once.
func atOnce(in readings) readings { return in }

// inTime looks up the first sample of a recording and opens it again only when that one was taken, so that of many files, which
// follow each other in time in whatever order they are named, few are open at a time.
func inTime(in readings) readings {
	return func(yield func(*record.Sample, error) bool) {
		var first *record.Sample
		for s, err := range in {
			if err == nil {
				first = s
			}
			break
		}
		if first != nil && !yield(first, nil) {
			return
		}
		taken := first != nil
		for s, err := range in {
			if taken {
				taken = false
				continue
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

// readAgain reports whether all that was read can be read once more: a pipe cannot.
func readAgain(files []string) bool {
	return !slices.ContainsFunc(files, func(file string) bool {
		info, err := os.Stat(file)
		return err != nil || !info.Mode().IsRegular()
	})
}
