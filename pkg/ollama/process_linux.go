package ollama

import "syscall"

// attributes put the server into a process group of its own, and make the kernel end it when its parent dies: SIGTERM, on
// which it ends its runner too.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
