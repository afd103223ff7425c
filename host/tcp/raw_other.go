//go:build race || !linux || 386

package tcp

import "syscall"

// raw is nothing here: other systems want their own calls made otherwise, and the race detector sees those of package syscall.
type raw struct{}

func (*raw) init(syscall.Conn) error { return nil }

func (*raw) onWait(func()) bool { return false }
