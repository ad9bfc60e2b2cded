package runner

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

// The files of a results folder that this package writes, beside the manifest. The .jsonl files are journals that grow
// run by run; the .parquet files are made from them at the end.
const (
	RunsJournal    = "runs.jsonl"
	RunsFile       = "runs.parquet"
	SamplesJournal = "samples.jsonl"
	SamplesFile    = "samples.parquet"
)

// Folder is a results folder that is being filled. It is a Sink.
type Folder struct {
	Dir  string
	Done map[string]bool // ids of the runs that were there already
	// Unmeasured counts those of them that are degraded or broke.
	Unmeasured int

	runs, samples *atomicfile.Journal
	command       []string
}

var _ Sink = (*Folder)(nil)

// FolderOptions says what a results folder is for.
type FolderOptions struct {
	Dir         string
	Resume      bool // continue what is there; without it a folder with finished runs is refused
	Matrix      *matrix.Matrix
	Model       *model.Folder
	Environment *manifest.Environment
	Sensors     []manifest.Sensor
	Command     []string
}

// OpenFolder creates the folder, or continues one whose runs come from the same matrix and weights.
func OpenFolder(ctx context.Context, opt FolderOptions) (*Folder, error) {
	if err := os.MkdirAll(opt.Dir, 0o755); err != nil {
		return nil, cli.BadInput(err)
	}
	f := &Folder{Dir: opt.Dir, Done: map[string]bool{}, command: manifest.Public(opt.Command)}
	var err error
	if f.runs, _, err = atomicfile.OpenJournal(f.path(RunsJournal)); err != nil {
		return nil, cli.BadInput(err)
	}
	if f.samples, _, err = atomicfile.OpenJournal(f.path(SamplesJournal)); err != nil {
		return nil, errors.Join(cli.BadInput(err), f.runs.Close())
	}
	if err := f.begin(ctx, opt); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *Folder) path(name string) string { return filepath.Join(f.Dir, name) }

// begin reads what is finished, checks that it belongs to the same experiment, and notes this invocation.
func (f *Folder) begin(ctx context.Context, opt FolderOptions) error {
	if err := f.readDone(ctx); err != nil {
		return err
	}
	if len(f.Done) > 0 && !opt.Resume {
		return cli.BadInputf("%s holds %d finished runs: continue with --resume, or name another folder", f.Dir, len(f.Done))
	}
	matrixJSON, hash, err := identity(opt.Matrix, opt.Model)
	if err != nil {
		return err
	}
	return manifest.Update(f.Dir, func(m *manifest.Manifest) error {
		if len(f.Done) > 0 && m.MatrixHash != hash {
			return cli.BadInputf("%s holds %d runs of another matrix or model (SHA-256 %.12s, this one has %.12s): name another folder, or remove this one",
				f.Dir, len(f.Done), m.MatrixHash, hash)
		}
		if len(f.Done) > 0 && m.Environment != nil && m.Environment.Host != opt.Environment.Host {
			return cli.BadInputf("%s holds %d runs of host %s, this is %s: name another folder", f.Dir, len(f.Done), m.Environment.Host, opt.Environment.Host)
		}
		m.Experiment, m.MatrixHash, m.Matrix = opt.Matrix.Experiment, hash, matrixJSON
		m.Model = &manifest.Model{Name: opt.Model.Name, WeightsSHA256: opt.Model.WeightsSHA256, Parameters: opt.Model.Config.Parameters(),
			Layers: int64(opt.Model.Config.NLayer), Width: int64(opt.Model.Config.NEmbd),
			VocabSize: int64(opt.Model.Config.VocabSize)}
		m.Environment, m.Sensors = opt.Environment, opt.Sensors
		m.Invocations = append(m.Invocations, manifest.Invocation{StartUTC: time.Now().UTC(), Command: f.command, Tool: cli.Version()})
		return nil
	})
}

// readDone reads the ids of the finished runs.
func (f *Folder) readDone(ctx context.Context) error {
	if info, err := os.Stat(f.path(RunsJournal)); err != nil || info.Size() == 0 {
		return err
	}
	sum, err := store.Scan(ctx, store.Input{Paths: []string{f.path(RunsJournal)}}, store.Handlers{Run: func(r *record.Run) error {
		f.Done[r.RunID] = true
		if r.Status != record.OK {
			f.Unmeasured++
		}
		return nil
	}})
	if err != nil {
		return err
	}
	if sum.Rejected > 0 {
		return cli.BadInputf("%w; mend or remove the file before --resume", sum.Err())
	}
	return nil
}

// identity is the resolved matrix as JSON, and the hash that says whether two folders measure the same thing.
func identity(m *matrix.Matrix, mod *model.Folder) (json.RawMessage, string, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, "", fmt.Errorf("matrix: %w", err)
	}
	sum := sha256.Sum256(append(data, mod.WeightsSHA256...))
	public, err := json.Marshal(publicMatrix(m))
	return public, hex.EncodeToString(sum[:]), err
}

// publicMatrix is the matrix with a model folder named as it may be published.
func publicMatrix(m *matrix.Matrix) matrix.Matrix {
	c := *m
	c.Model = manifest.PublicPath(c.Model)
	return c
}

// Run implements Sink: the record is on disk when it returns.
func (f *Folder) Run(r *record.Run) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("run %s: %w", r.RunID, err)
	}
	return f.runs.AppendLines(append(line, '\n'))
}

// Samples implements Sink. Samples are not synced run by run, as that would take a millisecond between two runs: what a
// crash of the machine could lose are readings whose energy the synced record of their run already holds.
func (f *Folder) Samples(samples []record.Sample) error {
	var lines []byte
	for i := range samples {
		line, err := json.Marshal(&samples[i])
		if err != nil {
			return fmt.Errorf("sample of %s: %w", samples[i].Source, err)
		}
		lines = append(append(lines, line...), '\n')
	}
	return f.samples.AppendUnsynced(lines)
}

// Note records how this invocation ended, finished or not.
func (f *Folder) Note(out *Outcome) error {
	return manifest.Update(f.Dir, func(m *manifest.Manifest) error {
		last := &m.Invocations[len(m.Invocations)-1]
		last.EndUTC, last.Runs = time.Now().UTC(), out.Finished()
		if m.Backends == nil {
			m.Backends = map[string]map[string]string{}
		}
		for name, info := range out.Engines {
			m.Backends[name] = info
		}
		return nil
	})
}

// Finish makes the Parquet files from the journals and notes all files in the manifest.
func (f *Folder) Finish(ctx context.Context) error {
	err := convert(ctx, f.path(RunsJournal), f.path(RunsFile), func(w *store.Writer[record.Run]) store.Handlers {
		return store.Handlers{Run: w.Write}
	})
	if err != nil {
		return err
	}
	err = convert(ctx, f.path(SamplesJournal), f.path(SamplesFile), func(w *store.Writer[record.Sample]) store.Handlers {
		return store.Handlers{Sample: w.Write}
	})
	if err != nil {
		return err
	}
	for _, a := range [][2]string{{RunsJournal, ""}, {RunsFile, RunsJournal}, {SamplesJournal, ""}, {SamplesFile, SamplesJournal}} {
		if err := f.note(a[0], a[1]); err != nil {
			return err
		}
	}
	return nil
}

// note puts one of the folder's files into the manifest; a file that is not there, as there was nothing to put into it,
// is left out.
func (f *Folder) note(name, from string) error {
	if _, err := os.Stat(f.path(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var inputs []string
	if from != "" {
		inputs = []string{f.path(from)}
	}
	return manifest.Record(f.path(name), "bh-run", f.command, inputs)
}

// convert copies the records of a journal into a Parquet file. An empty journal gives no file.
func convert[T store.Row](ctx context.Context, from, to string, handlers func(*store.Writer[T]) store.Handlers) error {
	if info, err := os.Stat(from); err != nil || info.Size() == 0 {
		return err
	}
	out, err := atomicfile.Create(to)
	if err != nil {
		return err
	}
	defer out.Close() //nolint:errcheck // a no-op after Commit
	w, err := store.NewWriter[T](out, store.Parquet)
	if err != nil {
		return err
	}
	sum, err := store.Scan(ctx, store.Input{Paths: []string{from}}, handlers(w))
	if err != nil {
		return err
	}
	if err := errors.Join(sum.Err(), w.Close()); err != nil {
		return err
	}
	return out.Commit()
}

// Close closes the journals.
func (f *Folder) Close() error { return errors.Join(f.runs.Close(), f.samples.Close()) }
