package store

import (
	"context"
	"fmt"
	"hash/maphash"
	"reflect"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
)

// sink takes the rows of all files of one scan: it validates, counts, rejects and hands over.
type sink struct {
	ctx   context.Context
	h     Handlers
	sum   Summary
	file  string // now being read, as messages name it
	byRow bool   // the file has rows and not lines
	seeds [2]maphash.Seed
	seen  map[[2]uint64]struct{} // hashes of the keys of the runs taken
}

func newSink(ctx context.Context, h Handlers) *sink {
	return &sink{ctx: ctx, h: h, seen: map[[2]uint64]struct{}{}, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

// expect reports an unwanted kind as bad input. at is the line that said so, 0 for the file as a whole.
func (s *sink) expect(k *kind, at int64) error {
	if s.h.wants(k) {
		return nil
	}
	where := s.file
	if at > 0 {
		where = fmt.Sprintf("%s:%d", s.file, at)
	}
	return cli.BadInput(&unwantedError{kind: k, where: where, want: s.h.wanted()})
}

// unwantedError says that there are records of a kind that has no handler.
type unwantedError struct {
	kind        *kind
	where, want string
}

func (e *unwantedError) Error() string {
	return fmt.Sprintf("%s holds %s, want %s", e.where, e.kind.plural, e.want)
}

// ctxEvery is after how many rows the context is asked: asking takes a lock, and a row takes about a microsecond.
const ctxEvery = 256

// accept takes a decoded row (an addressable struct value) found at line or row number at. err says that it could not
// be decoded. The returned error ends the scan.
func (s *sink) accept(row reflect.Value, at int64, err error) error {
	if s.sum.Read%ctxEvery == 0 && s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	s.sum.Read++
	if err != nil {
		s.reject(at, err)
		return nil
	}
	r, ok := row.Addr().Interface().(record.Record)
	if !ok {
		panic("store: not a record: " + row.Type().String())
	}
	if err := s.check(r); err != nil {
		s.reject(at, err)
		return nil
	}
	return s.h.handle(r)
}

func (s *sink) reject(at int64, err error) {
	s.sum.Rejected++
	if len(s.sum.Errors) < MaxErrors {
		s.sum.Errors = append(s.sum.Errors, &RowError{File: s.file, Line: at, ByRow: s.byRow, Err: err})
	}
}

// check validates r and, of runs, that its key is new. Of a key it keeps 128 bits of hash, so that memory grows by some
// 20 bytes a run; two of 10^9 keys fall together with a probability of 10^-21.
func (s *sink) check(r record.Record) error {
	if err := r.Validate(); err != nil {
		return err
	}
	run, ok := r.(*record.Run)
	if !ok {
		return nil
	}
	key := run.Key()
	hash := [2]uint64{maphash.String(s.seeds[0], key), maphash.String(s.seeds[1], key)}
	if _, dup := s.seen[hash]; dup {
		return &record.FieldError{Field: "run_id", Saw: fmt.Sprintf("%q again", run.RunID),
			Want: "one run of that id per experiment and host"}
	}
	s.seen[hash] = struct{}{}
	return nil
}

// corrupt wraps what made a file unreadable as bad input; an interruption stays one.
func (s *sink) corrupt(err error) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return cli.BadInputf("%s: %w", s.file, err)
}
