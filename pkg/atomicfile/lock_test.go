package atomicfile

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestLockWaitsForItsHolder(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), name, func() { t.Error("waited for nobody") })
	if err != nil {
		t.Fatal(err)
	}
	waits, got := make(chan struct{}), make(chan error, 1)
	go func() {
		second, err := Lock(t.Context(), name, func() { close(waits) })
		if err == nil {
			err = second()
		}
		got <- err
	}()
	<-waits
	select {
	case err := <-got:
		t.Fatalf("two holders at once, or %v", err)
	default:
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestLockEndsWithItsContext(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), name, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock() //nolint:errcheck // the test is over
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Lock(ctx, name, cancel); !errors.Is(err, context.Canceled) {
		t.Errorf("saw %v, want it cancelled", err)
	}
	if _, err := Lock(t.Context(), filepath.Join(t.TempDir(), "none", "lock"), cancel); err == nil {
		t.Error("a lock in a folder that is not there")
	}
}
