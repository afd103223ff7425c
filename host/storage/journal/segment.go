package journal

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// segment is one file of the journal. The file stays and is written again from its beginning under another number.
type segment struct {
	seq    uint64
	path   string
	f      File
	off    int64
	filled int64 // bytes that the file has: writing over them changes no metadata, so that a sync is one write
	dirty  bool  // something of it waits for a sync
	named  map[uint32]bool
}

// flush makes everything durable that was appended before: one write and one sync.
func (j *Journal) flush() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if err := j.flushLocked(); err != nil {
		return j.Fail(err)
	}
	return nil
}

func (j *Journal) flushLocked() error {
	if err := j.writeOut(true); err != nil {
		return err
	}
	return j.sync()
}

// sync makes the current segment durable, and with it what its batches say is needed.
func (j *Journal) sync() error {
	if j.current == nil {
		return nil
	}
	if j.current.dirty {
		if err := j.o.Disk.SyncFile(j.current.path); err != nil {
			return err
		}
		j.current.dirty = false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.durable = j.written
	j.fixed = j.said
	j.gone = slices.DeleteFunc(j.gone, func(o obligation) bool { return o.until <= j.durable })
	return nil
}

// writeOut writes what was appended. With durable it may be that no sync is needed after it.
func (j *Journal) writeOut(durable bool) error {
	j.mu.Lock()
	chunks, err := j.chunks, j.failed
	j.chunks = nil
	j.mu.Unlock()
	if err != nil {
		return err
	}
	for _, c := range chunks {
		if err := j.writeChunk(c, durable && len(chunks) == 1); err != nil {
			return err
		}
	}
	return nil
}

func (j *Journal) writeChunk(c *chunk, durable bool) error {
	if j.current == nil {
		if err := j.roll(); err != nil {
			return err
		}
	}
	b := j.withNames(c)
	fits, err := j.room(len(b))
	if err == nil && !fits {
		if err = j.roll(); err == nil {
			b = j.withNames(c)
			fits, err = j.room(len(b))
		}
	}
	if err != nil {
		return err
	}
	if !fits {
		return fmt.Errorf("a batch of %d bytes does not fit in a segment: %w", len(b), unix.ENOSPC)
	}
	for _, n := range c.names {
		j.current.named[n.file.id] = true
	}
	c.b = nil // files point to their last chunk
	b, err = j.writeBatch(b, c.end, durable)
	j.reuse(b)
	return err
}

// withNames adds the names that the current segment does not have.
func (j *Journal) withNames(c *chunk) []byte {
	b := c.b // with what comes after it: nobody else appends to a chunk that is being written
	for _, n := range c.names {
		if !j.current.named[n.file.id] {
			b = appendName(b, n)
		}
	}
	return b
}

func blocks(n int) int64 { return (int64(n) + block - 1) / block * block }

// room tells whether so many bytes fit, with one block to spare for sayNeeded, and fills the file that far.
func (j *Journal) room(n int) (bool, error) {
	s := j.current
	end := s.off + blocks(n) + block
	if end > j.o.SegmentSize {
		return false, nil
	}
	err := j.fill(s, end)
	if errors.Is(err, unix.ENOSPC) {
		return false, nil // another segment may have been filled before
	}
	return err == nil, err
}

func (j *Journal) fill(s *segment, end int64) error {
	for s.filled < end {
		zeros := make([]byte, min(1<<20, j.o.SegmentSize/4, j.o.SegmentSize-s.filled))
		if _, err := s.f.WriteAt(zeros, s.filled); err != nil {
			return err
		}
		s.filled += int64(len(zeros))
		s.dirty = true
	}
	return nil
}

// writeBatch returns b, which may have moved. One that is to be durable, with nothing else to be synced, is so when it returns.
func (j *Journal) writeBatch(b []byte, end uint64, durable bool) ([]byte, error) {
	j.mu.Lock()
	needed, last := j.needed, j.durable
	j.mu.Unlock()
	s := j.current
	le.PutUint32(b[0:], batchMagic)
	le.PutUint64(b[8:], s.seq)
	le.PutUint64(b[16:], end)
	le.PutUint64(b[24:], needed)
	le.PutUint64(b[32:], last)
	le.PutUint32(b[40:], uint32(len(b)-batchHead))
	le.PutUint64(b[48:], j.epoch)
	le.PutUint32(b[4:], j.o.sum(b[8:]))
	b = append(b, make([]byte, blocks(len(b))-int64(len(b)))...)
	if durable && !s.dirty {
		if err := s.f.WriteSync(b, s.off); err != nil {
			return b, err
		}
	} else {
		if _, err := s.f.WriteAt(b, s.off); err != nil {
			return b, err
		}
		s.dirty = true
	}
	s.off += int64(len(b))
	j.written, j.said = end, needed
	return b, nil
}

// sayNeeded makes durable which segment is needed first. There is room for that in every segment, once.
func (j *Journal) sayNeeded() error {
	if j.current == nil || j.current.off+block > j.o.SegmentSize {
		return nil
	}
	if _, err := j.writeBatch(make([]byte, batchHead, block), j.written, true); err != nil {
		return err
	}
	return j.sync()
}

// roll begins the next segment.
func (j *Journal) roll() error {
	// What is in the next segment counts only if this one is whole.
	if err := j.sync(); err != nil {
		return err
	}
	j.recycle()
	if len(j.free) == 0 && len(j.live) >= j.o.Most { // rule 7: the bound; only a removal under way can exceed it
		if err := j.makeRoom(uint64(j.o.Keep)); err != nil {
			return err
		}
	}
	s, err := j.take()
	if errors.Is(err, unix.ENOSPC) {
		full := err
		if err = j.makeRoom(0); err == nil {
			if s, err = j.take(); err != nil {
				err = full
			}
		}
	}
	if err != nil {
		return err
	}
	return j.begin(s)
}

// recycle frees the segments that are not needed. Rule 2: as the disk has it.
func (j *Journal) recycle() {
	j.mu.Lock()
	fixed := j.fixed
	if j.o.Faults.ReuseEarly {
		fixed = j.needed
	}
	j.mu.Unlock()
	n := 0
	for n < len(j.live) && j.live[n].seq < fixed && j.live[n] != j.current {
		n++
	}
	j.free = append(j.free, j.live[:n]...)
	j.live = j.live[n:]
}

// makeRoom frees all segments but so many, and waits for it.
func (j *Journal) makeRoom(keep uint64) error {
	j.mu.Lock()
	upTo := j.seq - min(keep, j.seq)
	j.mu.Unlock()
	j.hurry.Add(1)
	defer j.hurry.Add(-1)
	if err := j.release(upTo, atOnce); err != nil {
		return err
	}
	if err := j.sayNeeded(); err != nil {
		return err
	}
	j.recycle()
	return nil
}

// take is a segment that is free, or a new one.
func (j *Journal) take() (*segment, error) {
	if n := len(j.free); n > 0 {
		s := j.free[n-1]
		j.free = j.free[:n-1]
		return s, nil
	}
	path := filepath.Join(j.dir, fmt.Sprintf("%04d.segment", j.slots+1))
	f, err := j.o.Disk.OpenFile(path, true)
	if err != nil {
		return nil, err
	}
	s := &segment{path: path, f: f}
	if s.filled, err = f.Size(); err == nil {
		err = j.fill(s, 2*block)
	}
	if err == nil {
		err = j.o.Disk.SyncDir(j.dir)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), j.o.Disk.Remove(path))
	}
	j.slots++
	return s, nil
}

// begin writes the head of a segment and makes it the current one.
func (j *Journal) begin(s *segment) error {
	j.mu.Lock()
	needed := j.needed
	j.mu.Unlock()
	s.seq = j.lastSeq + 1
	b := make([]byte, block)
	le.PutUint32(b[0:], segmentMagic)
	le.PutUint32(b[8:], version)
	le.PutUint64(b[16:], s.seq)
	le.PutUint64(b[24:], j.written)
	le.PutUint64(b[32:], needed)
	le.PutUint64(b[40:], j.epoch)
	le.PutUint32(b[4:], j.o.sum(b[8:segmentHead]))
	if _, err := s.f.WriteAt(b, 0); err != nil {
		return err
	}
	s.off, s.dirty, s.named = block, true, map[uint32]bool{}
	s.filled = max(s.filled, block) // a free one may have lost all of its bytes
	j.current, j.lastSeq, j.said = s, s.seq, needed
	j.live = append(j.live, s)
	j.mu.Lock()
	j.seq = s.seq
	j.mu.Unlock()
	signal(j.keep)
	return nil
}
