package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// The format, all numbers little-endian. A segment is a block with its head, and batches, each at the beginning of a
// block. A batch is what one sync made durable, or a part of it: a head and records. Names follow the records that use
// them: a file has a number for the length of a segment.
//
//	head of a segment   magic 4, sum 4, version 4, 0 4, seq 8, base position 8, needed 8, epoch 8
//	head of a batch     magic 4, sum 4, seq 8, end position 8, needed 8, durable 8, length 4, 0 4, epoch 8, 0 8
//	record              kind 1, flags 1, 0 2, file 4, offset 8, length 4, runs
//	name                a record whose bytes are incarnation 8, salts 8, path
//
// The number of a segment that was lost with its head is given again, perhaps to the same file: a batch belongs to a
// segment if the epoch is the same too. A sum is CRC-32C of all that follows it, of a segment's head up to its last field. A position counts the bytes of all
// records before, without names.
const (
	segmentMagic = 0x44_4A_53_31
	batchMagic   = 0x44_4A_42_31
	version      = 2

	block       = 4096
	segmentHead = 48
	batchHead   = 64
	recordHead  = 20
	nameHead    = 16
)

var le = binary.LittleEndian

// kind is what a record repeats.
type kind byte

const (
	write    kind = 1 + iota // bytes at an offset of a log
	truncate                 // a log has offset bytes
	unlink                   // a log is gone
	create                   // a database is made: the bytes are its only page
	synced                   // a database that was made has been synced, with its name
	remove                   // a database is gone, with its log
	name
)

// commits is the flag of a record with which a transaction ends.
const commits = 1

// largest is the size in bytes past which no write is added to a record, and no record is twice as large.
const largest = 1 << 20

// farthest bounds the offsets in a record: SQLite's logs are shorter by far, and a sealed wrong one cannot fill a disk.
const farthest = 1 << 40

var (
	// ErrDamaged says that a journal lacks what was durable, or holds what no journal holds. Nothing was replayed.
	ErrDamaged = errors.New("the journal is damaged: restore the data directory from a copy, or move " + Directory + " out of it to lose what was last written")
	// ErrVersion says that a journal is of another format.
	ErrVersion = errors.New("the journal was written by another version: start that version once and stop it")
	// ErrForeign says that another program has written to a database since. Nothing was replayed.
	ErrForeign = errors.New("the database has been changed by another program while its last writes were still in the journal: undo that, or move " + Directory + " away to lose these writes")
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w (%s)", ErrDamaged, fmt.Sprintf(format, args...))
}

// record is one that was read.
type record struct {
	kind  kind
	flags byte
	name  *named
	off   int64
	bytes runs
}

// named is what a name says.
type named struct {
	path        string
	incarnation uint64 // the position at which the database was made; 0 if that was longer ago than is known
	salts       salts
	file        *file // of one that is to be written
}

func appendRecord(b []byte, k kind, flags byte, file uint32, off int64, p []byte) []byte {
	b = append(b, byte(k), flags, 0, 0)
	b = le.AppendUint32(b, file)
	b = le.AppendUint64(b, uint64(off))
	b = le.AppendUint32(b, uint32(len(p)))
	return append(b, p...)
}

func appendName(b []byte, n *named) []byte {
	p := make([]byte, 0, nameHead+len(n.path))
	p = le.AppendUint64(p, n.incarnation)
	p = append(p, n.salts[:]...)
	return appendRecord(b, name, 0, n.file.id, 0, append(p, n.path...))
}

// check tells what in a record no journal holds.
func (r *record) check() error {
	p := r.name.path
	size, ok := r.bytes.size()
	log := strings.HasSuffix(p, logSuffix)
	switch {
	case !filepath.IsLocal(p) || filepath.Clean(p) != p || !log && !strings.HasSuffix(p, databaseSuffix) ||
		strings.HasPrefix(p, Directory):
		return damaged("a record of %q", p)
	case !ok || size > 2*largest:
		return damaged("the bytes of a record of %q", p)
	case r.off < 0 || r.off > farthest-size:
		return damaged("a record at %d of %q", r.off, p)
	case log != (r.kind == write || r.kind == truncate || r.kind == unlink):
		return damaged("a record of kind %d of %q", r.kind, p)
	}
	return nil
}

const (
	databaseSuffix = ".sqlite"
	logSuffix      = ".sqlite-wal"
)
