package journal

import (
	"errors"
	"io"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A batch that is written through the page cache, and synced, costs the kernel more than one that goes to the device by itself.
// So WriteSync opens the file a second time, without the cache. A file system, or a device with larger blocks, may refuse that.

// direct is a file without the page cache, each of whose writes is durable when it returns.
type direct struct {
	fd  int // none if negative
	buf []byte
}

func openDirect(path string) *direct {
	fd, err := retry(func() (int, error) {
		return unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_DIRECT|unix.O_DSYNC, 0)
	})
	if err != nil {
		fd = -1
	}
	return &direct{fd: fd}
}

// writeAt tells whether it could write at all.
func (d *direct) writeAt(p []byte, off int64) (able bool, err error) {
	if d.fd < 0 {
		return false, nil
	}
	b := d.aligned(len(p))
	copy(b, p)
	for len(b) > 0 {
		n, err := retry(func() (int, error) { return unix.Pwrite(d.fd, b, off) })
		switch {
		case err == unix.EINVAL || err == unix.EOPNOTSUPP:
			return false, d.close()
		case err != nil:
			return true, err
		case n == 0:
			return true, io.ErrShortWrite
		}
		b, off = b[n:], off+int64(n)
	}
	return true, nil
}

// aligned is memory that begins as a block does.
func (d *direct) aligned(n int) []byte {
	if len(d.buf) < n {
		b := make([]byte, n+n/2+2*block)
		skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % block)
		d.buf = b[skip:]
	}
	return d.buf[:n]
}

func (d *direct) close() error {
	if d == nil || d.fd < 0 {
		return nil
	}
	fd := d.fd
	d.fd, d.buf = -1, nil
	return unix.Close(fd)
}

// WriteSync writes to the device.
func (f *machineFile) WriteSync(p []byte, off int64) error {
	if f.direct == nil {
		f.direct = openDirect(f.Name())
	}
	if able, err := f.direct.writeAt(p, off); able || err != nil {
		return err
	}
	if _, err := f.WriteAt(p, off); err != nil {
		return err
	}
	_, err := retry(func() (int, error) { return 0, unix.Fdatasync(int(f.Fd())) })
	return err
}

// Close closes the file.
func (f *machineFile) Close() error { return errors.Join(f.direct.close(), f.File.Close()) }
