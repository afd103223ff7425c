// Package journal makes the commits of many SQLite databases durable with one sync of one file.
//
// # How it works
//
// A database in WAL mode commits by appending to its own log, and a commit is durable once that log has been synced. A
// thousand busy objects are a thousand logs and a thousand syncs. This package puts a layer under SQLite that keeps what a log
// is given in memory, and appends the same bytes to one journal. The journal holds, in order, all that was done to the logs: so
// one sync of the journal makes the commits of all databases durable, and after a power loss the logs are made again from it
// before anybody opens a database.
//
//	commit of A ──► A.sqlite-wal (memory) ──┐
//	commit of B ──► B.sqlite-wal (memory) ──┤──► journal ──► one fdatasync ──► both acknowledged
//
// The logs themselves are written to their files and synced later, many records at a time (tail.go). What is in a synced log is
// no longer needed in the journal, whose segments are used again. A database that is made, and a log that is begun, are not even
// files at first; most logs are copied into their database before they would have become files.
//
// # The rules
//
// Each is named in a comment, "Rule n", where it is obeyed; the tests break them one by one.
//
//  1. A record is appended after the write that it repeats. Who writes the log's tail to its file, and syncs that, after the
//     record is there, then surely has the write.
//  2. A record leaves the journal only when its file, and the file's directory if the name is new or gone, have been
//     synced. Records leave in order: the journal names the first segment that is needed, and a segment is written over
//     only once that name is itself durable. Replaying what remains, in order, is exact, and may be interrupted and
//     begun again.
//  3. SQLite syncs a log before it copies it into the database. That sync waits until all records of that path are
//     durable, whichever handle wrote them; the sync of the database is a real one. So a log that is made again never
//     lies, older, over a newer database.
//  4. A new database is a record too, and a marker says when its file has been synced and must not be made anew. A
//     removal is durable as a record, the tombstone, before the first file goes.
//  5. Recovery replays, syncs, and then makes a fence durable: a segment that needs none before it. Only then may a
//     database be opened, since from then on it may hold what the journal does not: what a process that was killed left
//     in the page cache. What a log has after its last whole transaction is cut off before anybody writes there.
//  6. A failed sync is the end: the kernel may have thrown the data away and say nothing the next time. A log that is
//     full fails its own transaction alone.
//  7. Nobody but the journal's own goroutines waits for its disk, up to a bound: when the journal is full, or what waits
//     to be written is, who appends waits.
//  8. Commits of different databases become durable in the order of their records, and are acknowledged in it.
//  9. Another program may have the directory only after Close, which leaves no journal, or after a recovery. A log that
//     another program has begun since is recognised by its salts, and refused.
//
// A record has a position that never changes and is never given twice, an epoch (which opening of the journal wrote it),
// its path with an incarnation (which of several databases of that name, one after the other), and a flag if a
// transaction ends with it. Recovery needs only the first; copies and restores to a moment would need the others.
//
// # Who may call what
//
// A Journal may be used from any goroutine. It knows SQLite's files, never its tables, and nothing of objects.
package journal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a journal.
type Options struct {
	Root string // all databases are below it, and the journal in a directory of its own
	Disk Disk   // default the machine's
	// VFS is the name of the SQLite file layer that the journal's own stands on; default the machine's.
	VFS string
	// Template is a database of one page, in WAL mode, that holds nothing.
	Template []byte
	// SegmentSize is the size of a segment in bytes; default 16 MB.
	SegmentSize int64
	// Keep is how many full segments are left alone before their logs are synced: the more, the fewer syncs; default 4.
	Keep int
	// Most is how many segments there may be; when all are needed, commits wait for the logs. Default 16, at least
	// Keep + 2.
	Most int
	// Tail is how many bytes of memory a log may hold that its file does not have, and Tails how many all logs may; default 64 KB
	// and 96 MB, which is more than the segments have that are kept. With a negative Tail everything is written to files at once.
	Tail  int
	Tails int64
	// Now numbers the epochs; default time.Now.
	Now func() time.Time
	// Failed is called once, with the error that has ended the journal. It must not wait.
	Failed func(error)
	Faults Faults

	sum   func([]byte) uint32
	width int // files that are synced at once: a file system commits concurrent syncs together
	many  int // from how many files on all of the file system is synced instead
}

// Directory is the name of the journal's directory below the root.
const Directory = "durago.journal"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (o *Options) complete() error {
	if o.Disk == nil {
		o.Disk = Machine{}
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = 16 << 20
	}
	if o.Keep == 0 {
		o.Keep = 4
	}
	if o.Most == 0 {
		o.Most = 16
	}
	if o.Tail == 0 {
		o.Tail = 64 << 10
	}
	if o.Tails == 0 {
		o.Tails = 96 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.width == 0 {
		o.width = 8
	}
	if o.many == 0 {
		o.many = 16
	}
	o.sum = func(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
	if o.Faults.NoChecksums {
		o.sum = func([]byte) uint32 { return 0 }
	}
	switch {
	case o.SegmentSize < 64<<10 || o.SegmentSize%block != 0:
		return fmt.Errorf("journal: segment size %d: must be a multiple of %d, at least 64 KB", o.SegmentSize, block)
	case o.Most < o.Keep+2:
		return fmt.Errorf("journal: at most %d segments with %d kept: must be 2 more", o.Most, o.Keep)
	}
	root, err := filepath.Abs(o.Root)
	if err == nil {
		root, err = filepath.EvalSymlinks(root) // as SQLite names its files
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	o.Root = root
	return nil
}

// Journal is an open journal.
type Journal struct {
	o   Options
	dir string
	vfs string

	// mu guards what follows. It is never held over a write or a sync. Lock order: writing, releasing, a file's own, mu.
	mu       sync.Mutex
	chunks   []*chunk // appended, not written
	spare    [][]byte // memory for more
	position uint64   // after the last record
	durable  uint64
	failed   error
	closed   bool
	files    map[string]*file // by path below the root
	dirs     map[string]*file
	gone     []obligation
	pins     map[uint64]int  // segments that are needed whatever the files say
	unmarked map[string]bool // databases that were made and not synced since
	ids      uint32
	needed   uint64    // the first segment that is needed
	fixed    uint64    // what needed is known to be on disk
	seq      uint64    // of the current segment
	reports  []pending // by position

	// writing guards the segments: their files, offsets and lists.
	writing turn
	current *segment
	live    []*segment // not known to be free, oldest first, the current one last
	free    []*segment
	slots   int
	written uint64 // position up to which the segments hold the records
	said    uint64 // which segment is needed first, by the last batch
	lastSeq uint64
	epoch   uint64

	releasing turn         // one release at a time
	hurry     atomic.Int32 // how many wait for its end

	held     atomic.Int64 // bytes of memory that tails hold
	template *sparse

	wake, keep chan struct{}
	stop       chan struct{}
	done       sync.WaitGroup
}

// turn is a lock that is held while the disk works. A channel, so that testing/synctest sees who waits.
type turn chan struct{}

func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

// pending is a report that waits for a position.
type pending struct {
	position uint64
	report   func(error)
}

// ErrClosed says that the journal has been closed.
var ErrClosed = errors.New("journal: closed")

// Open recovers what a process that died has left, and begins a new journal. When it returns, every database below the
// root may be opened, through the VFS that is registered under the name VFS returns.
func Open(o Options) (*Journal, error) {
	j, err := recoverAll(o)
	if err != nil {
		return nil, err
	}
	j.done.Go(j.flushing)
	j.done.Go(j.keeping)
	return j, nil
}

// flushing is the goroutine that makes records durable: what is appended while it syncs shares its next sync.
func (j *Journal) flushing() {
	for {
		select {
		case <-j.stop:
			return
		case <-j.wake:
			j.gather()
			_ = j.flush() // every report has the error
			j.deliver()
		}
	}
}

// keeping is the goroutine that makes segments free.
func (j *Journal) keeping() {
	for {
		select {
		case <-j.stop:
			return
		case <-j.keep:
			_ = j.releaseOld() // it fails the journal
		}
	}
}

// gather lets those run who are ready to, as long as that brings more commits, up to eight times: they share the sync then. Nobody
// waits for who is not ready.
func (j *Journal) gather() {
	n := 0
	for range 8 {
		j.mu.Lock()
		more := len(j.reports)
		j.mu.Unlock()
		if more <= n {
			return
		}
		n = more
		runtime.Gosched()
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Committed has report called once all that has been written so far is durable, on a goroutine of the journal and in
// the order of the calls (rule 8). Its error is final: the journal takes no more.
func (j *Journal) Committed(report func(error)) {
	j.mu.Lock()
	if err := j.failed; err != nil || j.closed {
		j.mu.Unlock()
		if err == nil {
			err = ErrClosed
		}
		report(err)
		return
	}
	j.reports = append(j.reports, pending{j.position, report})
	j.mu.Unlock()
	signal(j.wake)
}

// deliver calls the reports whose records are durable, or all of them if the journal has failed.
func (j *Journal) deliver() {
	j.mu.Lock()
	n := len(j.reports)
	if j.failed == nil {
		n = sort.Search(n, func(i int) bool { return j.reports[i].position > j.durable })
	}
	due, err := j.reports[:n:n], j.failed
	j.reports = j.reports[n:]
	j.mu.Unlock()
	for _, p := range due {
		p.report(err)
	}
}

// Fail ends the journal with the first error that it is given, and returns that (rule 6).
func (j *Journal) Fail(err error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed == nil {
		j.failed = fmt.Errorf("journal: the disk failed to make a write durable: %w", err)
		signal(j.wake)
		if j.o.Failed != nil {
			j.o.Failed(j.failed)
		}
	}
	return j.failed
}

// relative is a path below the root; ok is false for one that is not.
func (j *Journal) relative(path string) (name string, ok bool) {
	name, ok = strings.CutPrefix(path, j.o.Root+string(filepath.Separator))
	return name, ok && filepath.IsLocal(name)
}

func (j *Journal) absolute(name string) string { return filepath.Join(j.o.Root, name) }

// Close makes all files durable and removes the journal (rule 9). All databases must be closed.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return ErrClosed
	}
	j.closed = true
	j.mu.Unlock()
	close(j.stop)
	j.done.Wait()
	j.unregister()
	err := j.flush()
	j.deliver()
	if err == nil {
		err = j.dissolve()
	}
	return errors.Join(err, j.closeSegments())
}
