//go:build !race && !386

package tcp

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// raw reads and writes. The functions that the poller calls are made once, and find what they are to do here.
type raw struct {
	c        syscall.RawConn
	in, out  half
	tryRead  func(fd uintptr) bool
	tryWrite func(fd uintptr) bool
}

type half struct {
	mu    sync.Mutex
	p     []byte
	n     int
	fail  syscall.Errno
	waits func() // called before it waits
}

func (r *raw) onWait(f func()) bool {
	r.out.waits = f
	return true
}

func (r *raw) init(c syscall.Conn) (err error) {
	r.tryRead, r.tryWrite = r.in.read, r.out.write
	r.c, err = c.SyscallConn()
	return err
}

// call makes a system call on a socket with p: recvfrom or sendto, since read and write ask first what kind of file it is.
func call(trap, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// read tells whether something has been read, or failed; else it is called again when something can be.
func (h *half) read(fd uintptr) bool {
	h.n, h.fail = call(syscall.SYS_RECVFROM, fd, h.p)
	return h.fail != syscall.EAGAIN
}

// write tells whether all has been written, or failed.
func (h *half) write(fd uintptr) bool {
	for h.n < len(h.p) {
		rest := h.p[h.n:]
		var n int
		if n, h.fail = call(syscall.SYS_SENDTO, fd, rest[:min(len(rest), maxWrite)]); h.fail == syscall.EAGAIN && h.waits != nil {
			h.waits()
		}
		if h.fail != 0 {
			return h.fail != syscall.EAGAIN
		}
		h.n += n
	}
	return true
}

// maxWrite bounds one system call, in which the thread does nothing else and the collector waits for it.
const maxWrite = 256 << 10

// do has f done with p, as often as the poller says that it can be.
func (h *half) do(op string, p []byte, wait func(func(uintptr) bool) error, f func(uintptr) bool, c *net.TCPConn) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.p, h.n, h.fail = p, 0, 0
	err := wait(f)
	h.p = nil
	if err == nil && h.fail != 0 {
		err = &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError(op, h.fail)}
	}
	return h.n, err
}

func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.raw.in.do("read", p, c.raw.c.Read, c.raw.tryRead, c.TCPConn)
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

func (c *Conn) Write(p []byte) (int, error) {
	return c.raw.out.do("write", p, c.raw.c.Write, c.raw.tryWrite, c.TCPConn)
}
