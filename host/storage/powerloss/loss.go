package powerloss

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
)

const sector = 512

// fate is how much of what was not synced survives one power loss.
type fate int

const (
	nothing fate = iota
	everything
	little
	most
	half
	fates
)

// PowerLoss takes the power, if it is still on, puts what survives into another empty directory, and turns the disk on
// there.
func (d *Disk) PowerLoss(root string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.adoptTree()
	how := fate(d.rng.IntN(int(fates)))
	d.loseNames()
	survivors := map[string]*file{}
	for _, name := range slices.Sorted(maps.Keys(d.durable)) {
		f := d.durable[name]
		if parent := filepath.Dir(name); parent != "." && survivors[parent] == nil {
			continue // its directory is lost
		}
		path := filepath.Join(root, name)
		if f.dir {
			survivors[name] = &file{dir: true}
			if err := os.Mkdir(path, 0o755); err != nil {
				return err
			}
			continue
		}
		b := f.survive(d.pick, how)
		survivors[name] = &file{synced: b}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			return err
		}
	}
	d.root, d.files, d.durable, d.changes = root, survivors, maps.Clone(survivors), nil
	d.off, d.cut, d.done = false, -1, 0
	return nil
}

// loseNames decides which changes of names survive: in each directory, or over the whole disk, those up to some moment.
func (d *Disk) loseNames() {
	if d.rng.IntN(2) == 0 {
		for _, c := range d.changes[:d.rng.IntN(len(d.changes)+1)] {
			d.keep(c)
		}
		return
	}
	of := map[string][]change{}
	for _, c := range d.changes {
		of[c.path] = append(of[c.path], c)
	}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		for _, c := range of[name][:d.rng.IntN(len(of[name])+1)] {
			d.keep(c)
		}
	}
}

// pick chooses one of n states, 0 the oldest.
func (d *Disk) pick(n int, how fate) int {
	switch {
	case how == nothing:
		return 0
	case how == everything:
		return n - 1
	case how == little && d.rng.IntN(10) > 0:
		return 0
	case how == most && d.rng.IntN(10) > 0:
		return n - 1
	}
	return d.rng.IntN(n)
}

func (f *file) sync() {
	for _, w := range f.writes {
		f.synced = w.apply(f.synced)
	}
	f.writes = nil
}

// syncRange makes a range durable, or all of it if the size has changed.
func (f *file) syncRange(from, to int64) {
	var left []write
	for _, w := range f.writes {
		end := w.at + int64(len(w.data))
		if w.data == nil {
			f.sync()
			return
		}
		if w.at < from {
			left = append(left, write{w.at, w.data[:min(end, from)-w.at]})
		}
		if end > to {
			left = append(left, write{max(w.at, to), w.data[max(w.at, to)-w.at:]})
		}
		if a, b := max(w.at, from), min(end, to); a < b {
			f.synced = write{a, w.data[a-w.at : b-w.at]}.apply(f.synced)
		}
	}
	f.writes = left
}

func (w write) apply(b []byte) []byte {
	if w.data == nil {
		return resize(b, w.at)
	}
	if end := w.at + int64(len(w.data)); end > int64(len(b)) {
		b = resize(b, end)
	}
	copy(b[w.at:], w.data)
	return b
}

func resize(b []byte, n int64) []byte {
	if n <= int64(len(b)) {
		return b[:n:n]
	}
	return append(b, make([]byte, n-int64(len(b)))...)
}

// survive is a content that the file may have after a power loss.
func (f *file) survive(pick func(n int, how fate) int, how fate) []byte {
	cuts := 0
	for _, w := range f.writes {
		if w.data == nil {
			cuts++
		}
	}
	kept := pick(cuts+1, how) // a change of size happens whole or not at all, and in order
	base := slices.Clone(f.synced)
	now := slices.Clone(f.synced)
	sizes := []int64{int64(len(base))}
	states := map[int64][][]byte{} // of each sector that was written
	for _, w := range f.writes {
		if w.data == nil {
			if kept--; kept >= 0 {
				base, now = slices.Clone(w.apply(base)), slices.Clone(w.apply(now))
				sizes = []int64{w.at}
				for s := range states {
					if (s+1)*sector > w.at {
						states[s] = [][]byte{cutSector(now, s)}
					}
				}
			}
			continue
		}
		if len(w.data) == 0 {
			continue
		}
		first, last := w.at/sector, (w.at+int64(len(w.data))-1)/sector
		for s := first; s <= last; s++ {
			if states[s] == nil {
				states[s] = [][]byte{cutSector(now, s)}
			}
		}
		now = w.apply(now)
		for s := first; s <= last; s++ {
			states[s] = append(states[s], cutSector(now, s))
		}
		sizes = append(sizes, int64(len(now)))
	}
	size := sizes[pick(len(sizes), how)]
	out := base
	for _, s := range slices.Sorted(maps.Keys(states)) {
		out = write{s * sector, states[s][pick(len(states[s]), how)]}.apply(out)
	}
	return resize(out, size)
}

func cutSector(b []byte, s int64) []byte {
	out := make([]byte, sector)
	if s*sector < int64(len(b)) {
		copy(out, b[s*sector:])
	}
	return out
}
