// Package powerloss is a disk for tests that forgets what was not synced. It shows whether a store keeps its promise
// when the machine loses power, which killing the process cannot show: there the page cache lives on.
//
//	disk := powerloss.New(t.TempDir(), seed)
//	store, err := storage.Open(storage.Options{Dir: disk.Path("state"), Disk: disk, VFS: disk.Name()})
//	...
//	disk.CutAfter(40) // the 40th write, creation, removal or sync from now fails, and all after it
//	...
//	err = disk.PowerLoss(t.TempDir())
//
// # How it works
//
// Files are real and hold what the running process sees. Beside them the disk keeps, for each file, the content of its
// last sync and the writes since, and for the names the state of their directory's last sync and the changes since. A
// power loss makes a new directory of it: every 512-byte sector is as some write since the last sync left it, or as the
// sync did; sectors are chosen independently, and so are sizes and the names in each directory. A sector itself is never
// torn, and names change in order.
//
// SQLite writes through the VFS that the disk registers. Files and directories that the store makes by itself are
// noticed when they are first looked at, as one write that is not synced.
//
// All methods may be called from any goroutine. The choices depend on the seed alone if the calls come in a fixed order.
package powerloss

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ncruces/go-sqlite3/vfs"
)

// ErrPower is what every operation returns after the cut.
var ErrPower = errors.New("powerloss: the power is off")

// Disk is the disk. It implements storage.Disk.
type Disk struct {
	// LazyNames has SQLite's syncs of a log leave the log's name alone, as no file system should. Set it before use.
	LazyNames bool

	name string
	base vfs.VFSFilename

	mu      sync.Mutex
	rng     *rand.Rand
	root    string
	files   map[string]*file // what the process sees, by path below root; a directory is a file without content
	durable map[string]*file // names that survive
	changes []change         // of names, since their directory's sync
	cut     int              // operations until the power goes; negative never
	full    error            // what SQLite's writes fail with
	off     bool
	done    int
}

// file is an inode.
type file struct {
	dir    bool
	synced []byte
	writes []write // since the sync
}

// write is a write, or a change of size if data is nil.
type write struct {
	at   int64
	data []byte
}

// change gives a name to an inode, or removes it.
type change struct {
	path string
	file *file
}

var number atomic.Int64

// New makes a disk in an empty directory. Close it.
func New(root string, seed uint64) *Disk {
	d := &Disk{name: fmt.Sprintf("powerloss-%d", number.Add(1)), rng: rand.New(rand.NewPCG(seed, 0)), root: root, cut: -1,
		base: vfs.Find("").(vfs.VFSFilename), files: map[string]*file{}, durable: map[string]*file{}}
	vfs.Register(d.name, d)
	return d
}

// Close withdraws the VFS.
func (d *Disk) Close() { vfs.Unregister(d.name) }

// Name is the name of the disk's VFS.
func (d *Disk) Name() string { return d.name }

// Path is where a file of the disk is now; it changes with each power loss.
func (d *Disk) Path(name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return filepath.Join(d.root, name)
}

// Operations is how many operations there were since the start or the last power loss.
func (d *Disk) Operations() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// CutAfter has the power go at the n-th operation from now, at the latest in PowerLoss; negative withdraws that.
func (d *Disk) CutAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cut = n
}

// FailWrites has SQLite's writes fail with an error, such as sqlite3.FULL, until it is called with nil.
func (d *Disk) FailWrites(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full = err
}

// Off tells whether the power has gone.
func (d *Disk) Off() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.off
}

// TurnOff makes every operation fail from now on, so that what is open can be closed without leaving a trace.
func (d *Disk) TurnOff() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = true
}

// Kill turns the disk on again as after the death of the process alone: what was written is there, synced or not.
func (d *Disk) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.adoptTree()
	d.off, d.cut, d.done = false, -1, 0
}

// step counts an operation. If the power goes with it, the operation may have reached the cache or not.
func (d *Disk) step() (effect bool, err error) {
	if d.off {
		return false, ErrPower
	}
	d.done++
	if d.cut < 0 || d.cut > 1 {
		d.cut = max(d.cut-1, -1)
		return true, nil
	}
	d.off = true
	return d.rng.IntN(2) == 0, ErrPower
}

func (d *Disk) relative(path string) string {
	r, err := filepath.Rel(d.root, path)
	if err != nil || strings.HasPrefix(r, "..") {
		panic("powerloss: " + path + " is not on the disk")
	}
	return r
}

// adopt notices what exists under a name and the directories above it.
func (d *Disk) adopt(name string) *file {
	if name == "." {
		return nil
	}
	if f := d.files[name]; f != nil {
		return f
	}
	info, err := os.Stat(filepath.Join(d.root, name))
	if err != nil {
		return nil
	}
	d.adopt(filepath.Dir(name))
	f := &file{dir: info.IsDir()}
	if !f.dir {
		if b, err := os.ReadFile(filepath.Join(d.root, name)); err == nil && len(b) > 0 {
			f.writes = []write{{0, b}}
		}
	}
	d.link(name, f)
	return f
}

func (d *Disk) adoptTree() {
	_ = filepath.WalkDir(d.root, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			d.adopt(d.relative(path))
		}
		return nil
	})
}

func (d *Disk) link(name string, f *file) {
	if f == nil {
		delete(d.files, name)
	} else {
		d.files[name] = f
	}
	d.changes = append(d.changes, change{name, f})
}

// SyncFile makes a file's content durable, and not its name. A file that is not there any more is none's concern.
func (d *Disk) SyncFile(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.step(); err != nil {
		return err
	}
	if f := d.adopt(d.relative(path)); f != nil {
		f.sync()
	}
	return nil
}

// SyncDir makes the names in a directory durable. Those of the directories above the disk are.
func (d *Disk) SyncDir(path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if strings.HasPrefix(d.root, path+string(filepath.Separator)) {
		return nil
	}
	if _, err := d.step(); err != nil {
		return err
	}
	d.syncNames(d.relative(path))
	return nil
}

func (d *Disk) syncNames(dir string) {
	entries, _ := os.ReadDir(filepath.Join(d.root, dir))
	for _, e := range entries {
		d.adopt(filepath.Join(dir, e.Name()))
	}
	d.changes = slices.DeleteFunc(d.changes, func(c change) bool {
		if filepath.Dir(c.path) != dir {
			return false
		}
		d.keep(c)
		return true
	})
}

func (d *Disk) keep(c change) {
	if c.file == nil {
		delete(d.durable, c.path)
		return
	}
	d.durable[c.path] = c.file
}
