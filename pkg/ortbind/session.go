package ortbind

// #include "shim.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// Session is a graph that was loaded.
type Session struct {
	lib *Library
	ptr *C.OrtSession
}

// Open loads a graph, whose external weights are in folder. Errors of a provider are *ProviderError.
func (l *Library) Open(graph []byte, folder string, o Options) (*Session, error) {
	opts, err := l.options(folder, o)
	if opts != nil {
		defer C.bh_options_free(l.api, opts)
	}
	if err != nil {
		return nil, err
	}
	s := &Session{lib: l}
	data := unsafe.Pointer(unsafe.SliceData(graph))
	if err := failure(C.bh_session(l.api, l.env, data, C.size_t(len(graph)), opts, &s.ptr)); err != nil {
		return nil, err
	}
	return s, nil
}

// Close frees the session; its memories and bindings must be closed before.
func (s *Session) Close() { C.bh_session_free(s.lib.api, s.ptr) }

// Assigned is a node and the execution provider that took it.
type Assigned struct{ Provider, Node, Op string }

// Assignment lists the nodes as they were after the basic optimisations, when the providers were asked.
func (s *Session) Assignment() ([]Assigned, error) {
	var list *C.bh_assigned
	var n C.size_t
	err := failure(C.bh_assignment(s.lib.api, s.ptr, &list, &n))
	defer C.free(unsafe.Pointer(list))
	if err != nil {
		return nil, fmt.Errorf("which provider took which node: %w", err)
	}
	out := make([]Assigned, n)
	for i, a := range unsafe.Slice(list, int(n)) {
		out[i] = Assigned{C.GoString(a.provider), C.GoString(a.node), C.GoString(a.op)}
	}
	return out, nil
}

// Binding holds the tensors of a graph's inputs and outputs, so that running it moves nothing but what lies elsewhere.
type Binding struct {
	session *Session
	ptr     *C.OrtIoBinding
	names   map[string]*C.char
}

// Bind makes an empty binding.
func (s *Session) Bind() (*Binding, error) {
	b := &Binding{session: s, names: map[string]*C.char{}}
	if err := failure(C.bh_binding(s.lib.api, s.ptr, &b.ptr)); err != nil {
		return nil, fmt.Errorf("binding: %w", err)
	}
	return b, nil
}

func (b *Binding) name(name string) *C.char {
	if b.names[name] == nil {
		b.names[name] = C.CString(name)
	}
	return b.names[name]
}

// Input binds an input. A tensor in the host's memory is copied to the device here and now, so one whose content changes
// is bound again.
func (b *Binding) Input(name string, t *Tensor) error {
	if err := failure(C.bh_bind_input(b.session.lib.api, b.ptr, b.name(name), t.ptr)); err != nil {
		return fmt.Errorf("input %s: %w", name, err)
	}
	return nil
}

// Output binds an output. A tensor in the host's memory is filled at the end of each Run.
func (b *Binding) Output(name string, t *Tensor) error {
	if err := failure(C.bh_bind_output(b.session.lib.api, b.ptr, b.name(name), t.ptr)); err != nil {
		return fmt.Errorf("output %s: %w", name, err)
	}
	return nil
}

// Run runs the graph and returns when every output is there, on whichever device. Bindings of one session may run at the
// same time.
func (b *Binding) Run() error { return failure(C.bh_run(b.session.lib.api, b.session.ptr, b.ptr)) }

// Close frees the binding, not its tensors.
func (b *Binding) Close() {
	C.bh_binding_free(b.session.lib.api, b.ptr)
	for _, p := range b.names {
		C.free(unsafe.Pointer(p))
	}
}
