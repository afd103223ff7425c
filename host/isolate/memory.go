package isolate

import (
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// memory is an isolate's linear memory: reserved whole, outside Go's heap, so that it never moves and the collector
// neither counts nor scans it. Pages cost nothing until they are touched.
type memory struct{ base []byte }

var (
	_ experimental.MemoryAllocator = (*memory)(nil)
	_ experimental.LinearMemory    = (*memory)(nil)
)

func newMemory(limit uint64) (*memory, error) {
	b, err := unix.Mmap(-1, 0, int(limit), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	return &memory{b}, err
}

func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(len(m.base)) {
		return nil
	}
	return m.base[:size:len(m.base)]
}

// Free is called by wazero when the module closes; the isolate itself unmaps.
func (m *memory) Free() {}

func (m *memory) unmap() { _ = unix.Munmap(m.base) }
