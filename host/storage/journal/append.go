package journal

import (
	"path/filepath"
	"slices"
	"sync"
)

// file is a file, or a directory, that has something in the journal which is not durable at its own place.
type file struct {
	id          uint32
	path        string
	incarnation uint64 // the position at which the database was made; 0 if that was longer ago than is known
	salts       salts
	last        uint64 // position after its last record

	first   uint64 // the oldest segment that may have a record for which the file has not been synced; 0 is none
	again   uint64 // the same, of what came while it was being synced
	syncing bool
	chunk   *chunk // the last one that has a record of it
	handles int    // of a log: how many are open

	head   []byte // of a log: kept from the file until its record is durable
	headAt uint64 // the position of that
	headed bool   // the file of a log has a head, or may have one on disk, with a transaction

	// own guards the first bytes of a log, and what follows.
	own   sync.Mutex
	young bool    // the disk does not have the file
	tail  *sparse // what the disk does not have of it; nil is nothing, and no more is taken
	held  int     // that, in bytes of memory
	begun bool    // the disk may have a part of the tail
	stuck bool    // and had no room for it
}

func (f *file) touch(seq uint64) {
	if f.first == 0 || seq < f.first {
		f.first = seq
	}
	if f.syncing && (f.again == 0 || seq < f.again) {
		f.again = seq
	}
}

// obligation is a segment that is needed until a position is durable.
type obligation struct{ first, until uint64 }

// chunk is a batch that is being collected.
type chunk struct {
	b     []byte // with room for the head
	names []*named
	end   uint64 // position

	file *file // of the last record, which takes what follows directly
	head int   // where that record is
	from int64 // its offset
	next int64 // the offset that follows it
}

// most is the size in bytes past which a new chunk is begun. backlog bounds what waits to be written.
func (j *Journal) most() int    { return int(min(1<<20, j.o.SegmentSize/8)) }
func (j *Journal) backlog() int { return 16 }

// append appends a record. Rule 1: what it repeats has been done; only tombstones come before their deed.
func (j *Journal) append(path string, k kind, off int64, p []byte) (position uint64, err error) {
	j.mu.Lock()
	if err := j.failed; err != nil {
		j.mu.Unlock()
		return 0, err
	}
	f := j.track(path)
	if k == create {
		f.incarnation = j.position
		j.track(path + "-wal").incarnation = j.position
	}
	j.add(f, k, off, p)
	j.note(f, k)
	f.last = j.position
	position = j.position
	full := len(j.chunks) > j.backlog()
	j.mu.Unlock()
	if full { // rule 7
		j.writing.Lock()
		err = j.writeOut(false)
		j.writing.Unlock()
		if err != nil {
			return 0, j.Fail(err)
		}
	}
	return position, nil
}

func (j *Journal) track(path string) *file {
	f := j.files[path]
	if f == nil {
		j.ids++
		f = &file{id: j.ids, path: path}
		j.files[path] = f
	}
	return f
}

func (j *Journal) add(f *file, k kind, off int64, p []byte) {
	var flags byte
	frame := k == write && len(p) == frameHead
	if frame && (p[4]|p[5]|p[6]|p[7]) != 0 {
		flags = commits
	}
	c := j.open()
	if f.chunk != c { // the salts that the file may have had before this
		f.chunk = c
		c.names = append(c.names, &named{file: f, path: f.path, incarnation: f.incarnation, salts: f.salts})
	}
	head := k == write && off == 0 && len(p) == walHead
	if head {
		copy(f.salts[:], p[16:24])
	}
	before := len(c.b)
	follows := c.file == f && k == write && off == c.next && off-c.from < largest && !(frame && c.b[c.head+1]&commits != 0)
	if !follows {
		c.head, c.file, c.from = before, f, off
		c.b = appendRecord(c.b, k, flags, f.id, off, nil)
	}
	if len(p) > 0 {
		c.b = appendRuns(c.b, p)
	}
	le.PutUint32(c.b[c.head+16:], uint32(len(c.b)-c.head-recordHead))
	c.b[c.head+1] |= flags
	j.position += uint64(len(c.b) - before)
	if c.next = off + int64(len(p)); k != write {
		c.file = nil
	}
	c.end = j.position
	if head {
		f.head, f.headAt = slices.Clone(p), j.position
	}
}

// open is the chunk that takes the next record.
func (j *Journal) open() *chunk {
	if n := len(j.chunks); n > 0 && len(j.chunks[n-1].b) < j.most() {
		return j.chunks[n-1]
	}
	c := &chunk{}
	if n := len(j.spare); n > 0 {
		c.b = j.spare[n-1]
		j.spare = j.spare[:n-1]
	}
	c.b = append(c.b[:0], make([]byte, batchHead)...)
	j.chunks = append(j.chunks, c)
	return c
}

// reuse keeps the memory of a chunk that has been written for another, up to a few.
func (j *Journal) reuse(b []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.spare) < 2 {
		j.spare = append(j.spare, b)
	}
}

// note keeps the books of rule 2: what must be synced before the record may go.
func (j *Journal) note(f *file, k kind) {
	switch k {
	case unlink, remove: // nothing to sync but the name's absence
		if f.first != 0 { // until it is sure that what is there now will be removed
			j.gone = append(j.gone, obligation{f.first, j.position})
		}
		f.first, f.again, f.head = 0, 0, nil
		j.touchDir(f.path, j.seq)
	case create:
		f.touch(j.seq)
		j.touchDir(f.path, j.seq)
	case write, truncate:
		f.touch(j.seq)
	}
}

// touchDir says that a name in the path's directory has changed, for a record that is in this segment or later.
func (j *Journal) touchDir(path string, seq uint64) {
	dir := filepath.Dir(path)
	d := j.dirs[dir]
	if d == nil {
		d = &file{path: dir}
		j.dirs[dir] = d
	}
	d.touch(seq)
}

// wait returns when all records of a path are durable. Rule 3: of the path, not of a handle.
func (j *Journal) wait(path string) error {
	j.mu.Lock()
	var last uint64
	if f := j.files[path]; f != nil {
		last = f.last
	}
	j.mu.Unlock()
	return j.waitFor(last)
}

func (j *Journal) waitFor(position uint64) error {
	for {
		j.mu.Lock()
		durable, err := j.durable >= position, j.failed
		j.mu.Unlock()
		if durable || err != nil {
			return err
		}
		if err := j.flush(); err != nil {
			return err
		}
	}
}
