package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// replayer does again what records say.
type replayer struct {
	disk Disk
	path func(name string) string
	open map[string]File
	dirs map[string]bool // in which names may have changed
	done []string        // files that were written, by name
}

// file is a file to write, made if it is not there: its name may have been lost.
func (r *replayer) file(name string) (File, error) {
	if f := r.open[name]; f != nil {
		return f, nil
	}
	f, err := r.disk.OpenFile(r.path(name), true)
	if err != nil {
		return nil, err
	}
	r.open[name] = f
	r.dirs[filepath.Dir(name)] = true
	r.done = append(r.done, name)
	if len(r.open) >= maxOpen {
		return f, r.closeBut(name)
	}
	return f, nil
}

// maxOpen bounds the files that are open at once.
const maxOpen = 256

func (r *replayer) closeBut(name string) (err error) {
	for n, f := range r.open {
		if n != name {
			err = errors.Join(err, f.Close())
			delete(r.open, n)
		}
	}
	return err
}

func (r *replayer) close() error { return r.closeBut("") }

func (r *replayer) remove(name string) error {
	if f := r.open[name]; f != nil {
		if err := f.Close(); err != nil {
			return err
		}
		delete(r.open, name)
	}
	r.dirs[filepath.Dir(name)] = true
	return r.disk.Remove(r.path(name))
}

// databases does what became of each database in the end. Rule 4: one that was made and is not known to be synced is
// made anew, and its log, all of which is still in the journal, holds the rest.
func (r *replayer) databases(records []record) error {
	last := map[string]*record{}
	for i := range records {
		switch c := &records[i]; c.kind {
		case create, remove:
			last[c.name.path] = c
		case synced:
			delete(last, c.name.path)
		}
	}
	for _, name := range sortedKeys(last) {
		if last[name].kind == remove {
			if err := r.remove(name); err != nil {
				return err
			}
			continue
		}
		f, err := r.file(name)
		if err == nil {
			err = f.Truncate(0)
		}
		if err == nil {
			err = last[name].bytes.writeTo(f, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *replayer) log(c *record) error {
	switch c.kind {
	case write, truncate:
		f, err := r.file(c.name.path)
		if err != nil {
			return err
		}
		if c.kind == truncate {
			return f.Truncate(c.off)
		}
		return c.bytes.writeTo(f, c.off)
	case unlink:
		return r.remove(c.name.path)
	case remove:
		return r.remove(c.name.path + "-wal")
	}
	return nil
}

// sync makes durable what was done.
func (r *replayer) sync() error {
	for _, name := range r.done { // one that was removed since is none's concern
		if err := r.disk.SyncFile(r.path(name)); err != nil {
			return err
		}
	}
	for _, dir := range sortedKeys(r.dirs) {
		if err := r.disk.SyncDir(r.path(dir)); err != nil {
			return err
		}
	}
	return nil
}

// refuseForeign finds a log that another program has begun since. Rule 9. Ours has salts that the journal knows,
// because a head is written to a log only once its record is durable. Of a log that the journal removes nothing is known.
func (r *replayer) refuseForeign(records []record) error {
	known := map[string][]salts{}
	seen := map[*named]bool{}
	removed := map[string]bool{} // what is there may be, half written, what was to go; it goes now
	for i := range records {
		c := &records[i]
		switch c.kind {
		case remove:
			removed[c.name.path+"-wal"] = true
		case unlink:
			removed[c.name.path] = true
		}
		if c.kind != write && c.kind != truncate && c.kind != unlink {
			continue
		}
		p := c.name.path
		if !seen[c.name] {
			seen[c.name] = true
			known[p] = append(known[p], c.name.salts)
		}
		if head := c.bytes.head(); c.kind == write && c.off == 0 && len(head) >= walHead {
			known[p] = append(known[p], salts(head[16:24]))
		}
	}
	for _, name := range sortedKeys(known) {
		if removed[name] {
			continue
		}
		f, err := r.disk.OpenFile(r.path(name), false)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		have, ok := readHead(f)
		if err := f.Close(); err != nil {
			return err
		}
		if ok && !slices.Contains(known[name], have) {
			return fmt.Errorf("%w (%s)", ErrForeign, name)
		}
	}
	return nil
}
