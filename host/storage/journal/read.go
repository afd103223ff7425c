package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// stored is a segment as it was read.
type stored struct {
	segment *segment
	seq     uint64
	base    uint64
	needed  uint64
	epoch   uint64
	batches []batch
}

type batch struct {
	end, needed, durable uint64
	records              []record
}

// parse reads a segment. One without a head that is whole is nil: it was never begun, or is being written over. Batches
// end with the first that is not whole; whether one is missing, only all segments together can tell.
func parse(b []byte, sum func([]byte) uint32) (*stored, error) {
	if len(b) < block || le.Uint32(b) != segmentMagic || sum(b[8:segmentHead]) != le.Uint32(b[4:]) {
		return nil, nil
	}
	if v := le.Uint32(b[8:]); v != version {
		return nil, fmt.Errorf("%w (format %d, here %d)", ErrVersion, v, version)
	}
	s := &stored{seq: le.Uint64(b[16:]), base: le.Uint64(b[24:]), needed: le.Uint64(b[32:]), epoch: le.Uint64(b[40:])}
	names := map[uint32]*named{}
	end := s.base
	for b = b[block:]; len(b) >= batchHead; {
		n := int64(le.Uint32(b[40:]))
		if le.Uint32(b) != batchMagic || le.Uint64(b[8:]) != s.seq || le.Uint64(b[48:]) != s.epoch || batchHead+n > int64(len(b)) || sum(b[8:batchHead+n]) != le.Uint32(b[4:]) {
			break
		}
		t := batch{end: le.Uint64(b[16:]), needed: le.Uint64(b[24:]), durable: le.Uint64(b[32:])}
		var err error
		if t.records, err = parseRecords(b[batchHead:batchHead+n], names); err != nil {
			return nil, err
		}
		if t.end < end || t.needed < s.needed || t.needed > s.seq {
			return nil, damaged("a batch of segment %d ends at %d after %d, and needs %d", s.seq, t.end, end, t.needed)
		}
		end = t.end
		s.batches = append(s.batches, t)
		b = b[min(blocks(int(batchHead+n)), int64(len(b))):]
	}
	return s, nil
}

// parseRecords reads the records of a batch; names holds those of the segment so far.
func parseRecords(b []byte, names map[uint32]*named) ([]record, error) {
	var out []record
	var ids []uint32
	for len(b) > 0 {
		if len(b) < recordHead {
			return nil, damaged("%d bytes after the last record", len(b))
		}
		k, flags, id, off, n := kind(b[0]), b[1], le.Uint32(b[4:]), int64(le.Uint64(b[8:])), int64(le.Uint32(b[16:]))
		if recordHead+n > int64(len(b)) {
			return nil, damaged("a record of %d bytes in %d", n, len(b))
		}
		p := b[recordHead : recordHead+n]
		b = b[recordHead+n:]
		switch {
		case k == name && n > nameHead:
			names[id] = &named{incarnation: le.Uint64(p), salts: salts(p[8:nameHead]), path: string(p[nameHead:])}
		case k >= write && k < name:
			out, ids = append(out, record{kind: k, flags: flags, off: off, bytes: p}), append(ids, id)
		default:
			return nil, damaged("a record of kind %d", k)
		}
	}
	for i := range out {
		r := &out[i]
		if r.name = names[ids[i]]; r.name == nil {
			return nil, damaged("a record of file %d, which has no name", ids[i])
		}
		if err := r.check(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// history is what all segments together hold.
type history struct {
	records []record
	end     uint64 // position
	needed  uint64
	last    uint64 // the highest number of a segment
	epoch   uint64
}

// assemble puts the segments in order, from the first that is needed to the last that follows without a gap.
func assemble(all []*stored) (*history, error) {
	h := &history{needed: 1}
	slices.SortFunc(all, func(a, b *stored) int { return cmp.Compare(a.seq, b.seq) })
	var durable uint64
	for i, s := range all {
		if i > 0 && s.seq == all[i-1].seq {
			return nil, damaged("two segments %d", s.seq)
		}
		h.last, h.epoch, h.needed = max(h.last, s.seq), max(h.epoch, s.epoch), max(h.needed, s.needed)
		for _, b := range s.batches {
			h.needed, durable = max(h.needed, b.needed), max(durable, b.durable)
		}
	}
	next := h.needed
	for _, s := range all {
		if s.seq < h.needed {
			continue
		}
		if s.seq != next || next != h.needed && s.base != h.end {
			break
		}
		next, h.end = s.seq+1, s.base
		for _, b := range s.batches {
			h.records, h.end = append(h.records, b.records...), b.end
		}
	}
	if durable > h.end { // a hole before what was acknowledged
		return nil, damaged("it ends at %d, and was durable to %d", h.end, durable)
	}
	if len(all) > 0 && next == h.needed && h.needed > 1 {
		return nil, damaged("segment %d is missing", h.needed)
	}
	return h, nil
}

// segmentFiles are the paths of the segments, in order.
func segmentFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".segment") {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out, nil
}

func readAll(f File) ([]byte, error) {
	size, err := f.Size()
	if err != nil || size == 0 {
		return nil, err
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}
