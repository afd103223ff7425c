package journal

import (
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// releaseOld makes the segments free that are older than those to keep. There may be thousands of files to sync, and who serves
// objects meanwhile needs the processor and the disk: so it rests twice as long as it works, unless the journal fills up.
func (j *Journal) releaseOld() error {
	j.mu.Lock()
	seq, keep, needed := j.seq, uint64(j.o.Keep), j.needed
	j.mu.Unlock()
	if seq < keep+needed {
		return nil
	}
	if err := j.release(seq-keep, j.rest); err != nil {
		return j.Fail(err)
	}
	return nil
}

// rest waits after so much work, unless somebody waits for the end of it or soon would.
func (j *Journal) rest(worked time.Duration) {
	j.mu.Lock()
	crowded := j.seq-j.needed >= uint64(j.o.Most/2)
	j.mu.Unlock()
	if crowded || j.hurry.Load() > 0 {
		return
	}
	select {
	case <-time.After(min(2*worked, 100*time.Millisecond)):
	case <-j.stop:
	}
}

// release syncs every file that has a record in a segment up to the given one, and then says which is needed. Rule 2. It takes
// some files at a time, and calls rest after each portion.
func (j *Journal) release(upTo uint64, rest func(worked time.Duration)) error {
	j.releasing.Lock()
	defer j.releasing.Unlock()
	for files := range slices.Chunk(j.old(j.files, upTo), portion*j.o.many) {
		began := time.Now()
		if err := j.releaseFiles(files, upTo); err != nil {
			return err
		}
		rest(time.Since(began))
	}
	dirs := j.claim(j.old(j.dirs, upTo), upTo)
	if err := each(j.o.width, dirs, func(d *file) error { return j.o.Disk.SyncDir(j.absolute(d.path)) }); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.synced(dirs)
	j.forgetOld(j.files)
	j.forgetOld(j.dirs)
	j.needed = max(j.needed, j.firstNeeded())
	return nil
}

func atOnce(time.Duration) {}

// portion is how many times as many files are released together as one sync of the file system is worth.
const portion = 4

func (j *Journal) releaseFiles(files []*file, upTo uint64) error {
	files = j.claim(files, upTo)
	err := j.spillAll(files)
	if err == nil {
		err = j.syncFiles(files)
	}
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.synced(files)
	return nil
}

// syncFiles makes files durable. For many of them one sync of the file system costs less than theirs, each of which waits for the
// disk's cache; what it says may be about a file of somebody else, so that theirs have the last word.
func (j *Journal) syncFiles(files []*file) error {
	there := make([]*file, 0, len(files))
	for _, f := range files {
		ok, err := j.settled(f)
		if err != nil {
			return err
		}
		if ok {
			there = append(there, f)
		}
	}
	if len(there) >= j.o.many && j.o.Disk.SyncAll(j.o.Root) == nil {
		return nil
	}
	return each(j.o.width, there, func(f *file) error { return j.o.Disk.SyncFile(j.absolute(f.path)) })
}

// settled tells whether a sync of a file is all that it needs now. If not, its records stay: of one that is kept in memory, and of
// one that is not there. That is being removed, and no record says so yet: with its name it may come back, half written.
func (j *Journal) settled(f *file) (bool, error) {
	kept, err := j.settle(f)
	if err != nil {
		return false, err
	}
	if !kept {
		w, err := j.o.Disk.OpenFile(j.absolute(f.path), false)
		if err == nil {
			return true, w.Close()
		}
		if !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if !kept || !j.o.Faults.NeverSpilled {
		f.again = f.first
	}
	return false, nil
}

// old are the files with a record in a segment up to the given one, by name.
func (j *Journal) old(all map[string]*file, upTo uint64) (old []*file) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range all {
		if f.first != 0 && f.first <= upTo {
			old = append(old, f)
		}
	}
	slices.SortFunc(old, func(a, b *file) int { return strings.Compare(a.path, b.path) })
	return old
}

// claim notes that those that are still old are being synced.
func (j *Journal) claim(files []*file, upTo uint64) (claimed []*file) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, f := range files {
		if f.first != 0 && f.first <= upTo {
			f.syncing, f.again = true, 0
			claimed = append(claimed, f)
		}
	}
	return claimed
}

// synced notes that files have been synced.
func (j *Journal) synced(files []*file) {
	for _, f := range files {
		f.syncing = false
		if f.first != 0 && f.head == nil { // not removed meanwhile, and all of it there
			f.first = f.again
		}
		f.again = 0
	}
}

// forgetOld forgets the files of which nothing is left to know.
func (j *Journal) forgetOld(all map[string]*file) {
	for path, f := range all {
		// Rule 3: one with a record that is not durable is still to be waited for.
		if f.first == 0 && f.handles == 0 && f.last <= j.durable {
			delete(all, path)
		}
	}
}

func (j *Journal) firstNeeded() uint64 {
	first := max(j.seq, 1)
	for _, all := range []map[string]*file{j.files, j.dirs} {
		for _, f := range all {
			if f.first != 0 {
				first = min(first, f.first)
			}
		}
	}
	for seq := range j.pins {
		first = min(first, seq)
	}
	for _, o := range j.gone {
		first = min(first, o.first)
	}
	return first
}

// settle writes the head of a log that was kept back, if its record is durable and the head is not in memory with what follows
// it. kept tells whether there is something that the disk should have and has not.
func (j *Journal) settle(f *file) (kept bool, err error) {
	f.own.Lock()
	defer f.own.Unlock()
	if f.young || f.tail != nil && f.tail.base == 0 && f.tail.size > 0 {
		return true, nil
	}
	kept = f.stuck
	j.mu.Lock()
	head := f.head
	if head == nil || f.headAt > j.durable {
		j.mu.Unlock()
		return kept, nil
	}
	j.mu.Unlock()
	w, err := j.o.Disk.OpenFile(j.absolute(f.path), false)
	if errors.Is(err, os.ErrNotExist) { // removed, which is in the journal
		return kept, nil
	}
	if err != nil {
		return kept, err
	}
	j.mu.Lock()
	f.headed = true // or half of one
	j.mu.Unlock()
	_, err = w.WriteAt(head, 0)
	if err = errors.Join(err, w.Close()); err != nil {
		return kept, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	f.head = nil
	f.touch(j.seq)
	return kept, nil
}

// each calls do for all, several at once, and returns the errors.
func each(width int, files []*file, do func(*file) error) error {
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	next := make(chan *file)
	for range min(width, len(files)) {
		wg.Go(func() {
			for f := range next {
				if err := do(f); err != nil {
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, f := range files {
		next <- f
	}
	close(next)
	wg.Wait()
	return failed
}
