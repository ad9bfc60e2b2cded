package energy

import (
	"iter"

	"github.com/banterhearts/bh/pkg/record"
)

// Merge yields the samples of several recordings, each in order of time, as one stream in order of time. It holds one
// sample of each. After an error it stops.
func Merge(recordings ...iter.Seq2[*record.Sample, error]) iter.Seq2[*record.Sample, error] {
	return func(yield func(*record.Sample, error) bool) {
		var heads []*head
		defer func() {
			for _, h := range heads {
				h.stop()
			}
		}()
		for _, r := range recordings {
			h := &head{}
			h.next, h.stop = iter.Pull2(r)
			h.advance()
			heads = append(heads, h)
		}
		for {
			first := earliest(heads)
			if first == nil {
				return
			}
			if !yield(first.sample, first.err) || first.err != nil {
				return
			}
			first.advance()
		}
	}
}

// head is the next sample, or the error, of one recording.
type head struct {
	next   func() (*record.Sample, error, bool)
	stop   func()
	sample *record.Sample
	err    error
	ok     bool
}

func (h *head) advance() { h.sample, h.err, h.ok = h.next() }

// earliest is the recording to take from next: one that failed, else the one with the earliest sample; nil at the end.
// Recordings are few, so this is a scan and not a heap.
func earliest(heads []*head) *head {
	var first *head
	for _, h := range heads {
		switch {
		case !h.ok:
		case h.err != nil:
			return h
		case first == nil, h.sample.TSUnixNS < first.sample.TSUnixNS:
			first = h
		}
	}
	return first
}
