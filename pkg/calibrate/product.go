package calibrate

import (
	"errors"

	"github.com/banterhearts/bh/pkg/machine"
	"github.com/banterhearts/bh/pkg/ortbind"
	"github.com/banterhearts/bh/pkg/roofline"
)

// product times a product of matrices of rows x inner and inner x columns. The session's threads are those of a worker:
// made on a thread that is bound to the same CPUs.
func (m *measurement) product(lib *ortbind.Library, kernel, counts string, size [3]int, amount float64) (rate *roofline.Rate, err error) {
	work := func() error {
		p, err := newProduct(lib, m.Threads, size)
		if err != nil {
			return err
		}
		defer p.close()
		r, err := m.repeat(kernel, counts, amount, p.binding.Run)
		rate = &r
		return err
	}
	if len(m.cpus) == 0 {
		err = work()
	} else {
		err = machine.Bound(m.cpus, work)
	}
	return rate, err
}

// product is a graph with its tensors, in memory that ONNX Runtime gave.
type product struct {
	session *ortbind.Session
	memory  *ortbind.Memory
	binding *ortbind.Binding
	buffers []*ortbind.Buffer
	tensors []*ortbind.Tensor
}

func newProduct(lib *ortbind.Library, threads int, size [3]int) (p *product, err error) {
	p = &product{}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if p.session, err = lib.Open(graph(size[0], size[1], size[2]), ".", ortbind.Options{Threads: threads, Level: ortbind.All}); err != nil {
		return p, err
	}
	if p.memory, err = p.session.Memory(ortbind.HostMemory, 0); err != nil {
		return p, err
	}
	if p.binding, err = p.session.Bind(); err != nil {
		return p, err
	}
	return p, errors.Join(
		p.bind(p.binding.Input, "a", size[0], size[1]), p.bind(p.binding.Input, "b", size[1], size[2]), p.bind(p.binding.Output, "y", size[0], size[2]))
}

// bind gives the graph a matrix of ones.
func (p *product) bind(to func(string, *ortbind.Tensor) error, name string, rows, columns int) error {
	b, err := p.memory.Alloc(4 * rows * columns)
	if err != nil {
		return err
	}
	p.buffers = append(p.buffers, b)
	ones := b.Floats()
	largePages(ones)
	for i := range ones {
		ones[i] = 1
	}
	t, err := b.Tensor(ortbind.Float, rows, columns)
	if err != nil {
		return err
	}
	p.tensors = append(p.tensors, t)
	return to(name, t)
}

// value is the first element of the result.
func (p *product) value() float32 { return p.buffers[2].Floats()[0] }

func (p *product) close() {
	if p.binding != nil {
		p.binding.Close()
	}
	for _, t := range p.tensors {
		t.Free()
	}
	for _, b := range p.buffers {
		b.Free()
	}
	if p.memory != nil {
		p.memory.Close()
	}
	if p.session != nil {
		p.session.Close()
	}
}
