package journal

import (
	"errors"

	"github.com/ncruces/go-sqlite3/vfs"
)

// handle is an open file that may be young.
type handle struct {
	vfs.File // nil while it is young
	layer    *layer
	file     *file
	full     *vfs.Filename
	flags    vfs.OpenFlag
	lock     vfs.LockLevel // of the database, while it is young
}

// open opens the file on disk, if it is there. The caller holds the file's own lock.
func (h *handle) open() error {
	if h.File != nil || h.file.young {
		return nil
	}
	f, _, err := h.layer.base.OpenFilename(h.full, h.flags)
	if err != nil {
		return err
	}
	for _, level := range []vfs.LockLevel{vfs.LOCK_SHARED, vfs.LOCK_RESERVED, vfs.LOCK_EXCLUSIVE} {
		if level <= h.lock {
			if err := f.Lock(level); err != nil {
				return errors.Join(err, f.Close())
			}
		}
	}
	h.File = f
	return nil
}

// whileYoung does something with what a young file holds. done is false if it is not young, any more.
func (h *handle) whileYoung(do func(s *sparse) error) (done bool, err error) {
	if h.File != nil {
		return false, nil
	}
	h.file.own.Lock()
	defer h.file.own.Unlock()
	if err := h.open(); err != nil || h.File != nil {
		return false, err
	}
	return true, do(h.file.tail)
}

// made makes the file on disk and opens it.
func (h *handle) made() error {
	if h.File != nil {
		return nil
	}
	h.file.own.Lock()
	defer h.file.own.Unlock()
	if err := h.layer.j.spill(h.file); err != nil {
		return err
	}
	return h.open()
}

// ReadAt reads.
func (h *handle) ReadAt(p []byte, off int64) (n int, err error) {
	done, err := h.whileYoung(func(s *sparse) error {
		n, err = s.readAt(p, off)
		return err
	})
	if done || err != nil {
		return n, err
	}
	return h.File.ReadAt(p, off)
}

// Size is the size in bytes.
func (h *handle) Size() (size int64, err error) {
	done, err := h.whileYoung(func(s *sparse) error {
		size = s.size
		return nil
	})
	if done || err != nil {
		return size, err
	}
	return h.File.Size()
}

// Close closes the file on disk, if it is open.
func (h *handle) Close() error {
	if h.File == nil {
		return nil
	}
	return h.File.Close()
}

// SectorSize is the machine's.
func (h *handle) SectorSize() int {
	if h.File == nil {
		return block
	}
	return h.File.SectorSize()
}

// DeviceCharacteristics are the machine's.
func (h *handle) DeviceCharacteristics() vfs.DeviceCharacteristic {
	if h.File == nil {
		return vfs.IOCAP_POWERSAFE_OVERWRITE | vfs.IOCAP_SUBPAGE_READ
	}
	return h.File.DeviceCharacteristics()
}
