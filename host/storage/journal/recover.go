package journal

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// recoverAll opens a journal without its goroutines. Rule 5.
func recoverAll(o Options) (_ *Journal, err error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	template := &sparse{}
	template.writeAt(o.Template, 0)
	j := &Journal{o: o, template: template, dir: filepath.Join(o.Root, Directory), files: map[string]*file{}, dirs: map[string]*file{},
		pins: map[uint64]int{}, unmarked: map[string]bool{}, writing: make(turn, 1), releasing: make(turn, 1),
		wake: make(chan struct{}, 1), keep: make(chan struct{}, 1), stop: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("journal: %w", err), j.closeSegments())
		}
	}()
	if err := os.Mkdir(j.dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := o.Disk.SyncDir(o.Root); err != nil {
		return nil, err
	}
	all, err := j.readSegments()
	if err != nil {
		return nil, err
	}
	h, err := assemble(all)
	if err != nil {
		return nil, err
	}
	if err := j.replay(h); err != nil {
		return nil, err
	}
	if err := j.trim(); err != nil {
		return nil, err
	}
	if err := j.fence(h, all); err != nil {
		return nil, err
	}
	return j, j.register()
}

// trim cuts from each log what follows its last whole transaction: a part of one that was lost. SQLite would write over
// it under the same salts, and what the next power loss makes of both may be whole.
func (j *Journal) trim() error {
	if j.o.Faults.NotTrimmed {
		return nil
	}
	all, err := logs(j.o.Root)
	for i := 0; i < len(all) && err == nil; i++ {
		err = j.trimLog(j.absolute(all[i]))
	}
	return err
}

func (j *Journal) trimLog(path string) error {
	f, err := j.o.Disk.OpenFile(path, false)
	if errors.Is(err, os.ErrPermission) { // its object will say so
		return nil
	}
	if err != nil {
		return err
	}
	end := committed(f)
	size, err := f.Size()
	if err == nil && size > end {
		if err = f.Truncate(end); err == nil {
			err = j.o.Disk.SyncFile(path)
		}
	}
	return errors.Join(err, f.Close())
}

// logs are those below a directory, in the directories of it.
func logs(root string) (all []string, err error) {
	dirs, err := os.ReadDir(root)
	for _, d := range dirs {
		if !d.IsDir() || err != nil {
			continue
		}
		var files []os.DirEntry
		files, err = os.ReadDir(filepath.Join(root, d.Name()))
		for _, f := range files {
			if f.Type().IsRegular() && strings.HasSuffix(f.Name(), logSuffix) {
				all = append(all, filepath.Join(d.Name(), f.Name()))
			}
		}
	}
	return all, err
}

func (j *Journal) readSegments() (all []*stored, err error) {
	paths, err := segmentFiles(j.dir)
	if err == nil && len(paths) > 0 { // which a process may have made that was killed before their names were durable
		err = j.o.Disk.SyncDir(j.dir)
	}
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		f, err := j.o.Disk.OpenFile(path, false)
		if err != nil {
			return nil, err
		}
		s := &segment{path: path, f: f}
		j.free = append(j.free, s) // until it is seen to be needed
		// What a process that was killed wrote must not be replayed and then be lost from here.
		if err := j.o.Disk.SyncFile(path); err != nil {
			return nil, err
		}
		b, err := readAll(f)
		if err != nil {
			return nil, err
		}
		s.filled = int64(len(b))
		one, err := parse(b, j.o.sum)
		if err != nil {
			return nil, err
		}
		if one != nil {
			one.segment = s
			s.seq = one.seq
			all = append(all, one)
		}
		var n int
		if _, err := fmt.Sscanf(filepath.Base(path), "%04d.segment", &n); err == nil {
			j.slots = max(j.slots, n)
		}
	}
	return all, nil
}

// replay does again, in order, what the records say, and makes it durable.
func (j *Journal) replay(h *history) error {
	r := &replayer{disk: j.o.Disk, path: j.absolute, open: map[string]File{}, dirs: map[string]bool{}}
	if err := r.refuseForeign(h.records); err != nil {
		return err
	}
	err := r.databases(h.records)
	for i := 0; i < len(h.records) && err == nil; i++ {
		err = r.log(&h.records[i])
	}
	if err = errors.Join(err, r.close()); err != nil {
		return err
	}
	if err := r.sync(); err != nil {
		return err
	}
	if h.last == 0 {
		return nil
	}
	// What a process that was killed left in the page cache the journal need not know; whoever reads it may act on it.
	return j.o.Disk.SyncAll(j.o.Root)
}

// fence makes a new first segment durable. Until then the old ones would be replayed again.
func (j *Journal) fence(h *history, all []*stored) error {
	for _, s := range all {
		if s.seq >= h.needed {
			j.free = slices.DeleteFunc(j.free, func(f *segment) bool { return f == s.segment })
			j.live = append(j.live, s.segment)
		}
	}
	slices.SortFunc(j.live, func(a, b *segment) int { return cmp.Compare(a.seq, b.seq) })
	j.lastSeq = h.last
	j.position, j.durable, j.written = h.end, h.end, h.end
	j.epoch = max(h.epoch+1, uint64(j.o.Now().UnixMicro()))
	j.needed, j.fixed = h.last+1, h.needed
	s, err := j.take()
	if err != nil {
		return err
	}
	if err := j.begin(s); err != nil {
		return err
	}
	return j.sync()
}

func (j *Journal) closeSegments() error {
	var err error
	for _, s := range slices.Concat(j.live, j.free) {
		err = errors.Join(err, s.f.Close())
	}
	j.live, j.free = nil, nil
	return err
}

// dissolve removes the journal, the newest segment last: it says that none before it is needed.
func (j *Journal) dissolve() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	err := j.makeRoom(0)
	if err == nil {
		err = j.release(j.seq, atOnce) // the heads of logs that the first has written, and synced
	}
	if err == nil {
		err = j.nothingNeeded()
	}
	var s *segment
	if err == nil {
		s, err = j.take()
	}
	if err == nil {
		err = j.begin(s)
	}
	if err == nil {
		err = j.sync()
	}
	if err != nil {
		return j.Fail(err)
	}
	for _, s := range slices.Concat(j.free, j.live) {
		if s != j.current {
			err = errors.Join(err, j.o.Disk.Remove(s.path))
		}
	}
	if err = errors.Join(err, j.o.Disk.SyncDir(j.dir)); err != nil {
		return j.Fail(err)
	}
	err = errors.Join(j.o.Disk.Remove(j.current.path), j.o.Disk.SyncDir(j.dir), j.o.Disk.Remove(j.dir), j.o.Disk.SyncDir(j.o.Root))
	if err != nil {
		return j.Fail(err)
	}
	return nil
}

// nothingNeeded has the next segment be the first that is needed.
func (j *Journal) nothingNeeded() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, all := range []map[string]*file{j.files, j.dirs} {
		for path, f := range all {
			if f.first != 0 {
				return fmt.Errorf("segment %d is still needed, for %s", f.first, path)
			}
		}
	}
	j.needed = j.lastSeq + 1
	return nil
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }
