package atomicfile

import (
	"context"
	"errors"
	"os"
	"time"
)

// lockPause is how long Lock waits before it tries again.
const lockPause = 200 * time.Millisecond

// Lock takes the lock that is the file name, which stays, and waits for whoever has it, of which waiting is told once. A holder
// that was killed has lost it.
func Lock(ctx context.Context, name string, waiting func()) (unlock func() error, err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		taken, err := tryLock(f)
		if taken {
			return f.Close, nil
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if !told {
			waiting()
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-time.After(lockPause):
		}
	}
}
