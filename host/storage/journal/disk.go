package journal

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Disk is what the journal asks of a file system. Tests give one that forgets what was not synced.
type Disk interface {
	// OpenFile opens a file to read and write, and makes it if create is set.
	OpenFile(path string, create bool) (File, error)
	// Remove removes a file; one that is not there is removed already.
	Remove(path string) error
	// SyncFile returns when the content of a file is durable. A file that is not there any more is none's concern.
	SyncFile(path string) error
	// SyncDir returns when the names in a directory are durable.
	SyncDir(path string) error
	// SyncAll returns when everything is durable that was ever written to the file system of a directory.
	SyncAll(dir string) error
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	Size() (int64, error)
	// WriteSync writes whole blocks to where blocks begin, and returns when they are durable. What WriteAt wrote may not be.
	WriteSync(p []byte, off int64) error
}

// Machine is the machine's disk.
type Machine struct{}

var _ Disk = Machine{}

type machineFile struct {
	*os.File
	direct *direct // once there was a WriteSync
}

func (f *machineFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// OpenFile opens a file.
func (Machine) OpenFile(path string, create bool) (File, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, err
	}
	return &machineFile{File: f}, nil
}

// Remove removes a file.
func (Machine) Remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// SyncFile is fdatasync.
func (Machine) SyncFile(path string) error { return sync1(path, unix.Fdatasync) }

// SyncDir is fsync of the directory.
func (Machine) SyncDir(path string) error { return sync1(path, unix.Fsync) }

// SyncAll is syncfs.
func (Machine) SyncAll(dir string) error { return sync1(dir, unix.Syncfs) }

func sync1(path string, sync func(int) error) error {
	fd, err := retry(func() (int, error) { return unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0) })
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		_, err = retry(func() (int, error) { return 0, sync(fd) })
		err = errors.Join(err, unix.Close(fd))
	}
	if err != nil {
		return &os.PathError{Op: "sync", Path: path, Err: err}
	}
	return nil
}

func retry(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR {
			return n, err
		}
	}
}
