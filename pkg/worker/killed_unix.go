//go:build !windows

package worker

import "syscall"

// killed says whether the worker, which has been waited for, was ended by SIGKILL.
func (c *Client) killed() bool {
	status, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
