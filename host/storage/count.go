package storage

import (
	"time"

	"durago.example/host/metrics"
	"durago.example/host/storage/journal"
)

// Counts are what a store has done. They may be read from any goroutine.
type Counts struct {
	Commits metrics.Histogram // from the commit until it was reported as durable
	Syncs   metrics.Histogram // of files, directories, and the whole file system
}

// Counts are what the store has done.
func (s *Store) Counts() *Counts { return &s.counts }

// timed is a disk whose syncs are counted.
type timed struct {
	Disk
	syncs *metrics.Histogram
}

func (t timed) OpenFile(path string, create bool) (journal.File, error) {
	f, err := t.Disk.OpenFile(path, create)
	if err != nil {
		return nil, err
	}
	return timedFile{f, t.syncs}, nil
}

type timedFile struct {
	journal.File
	syncs *metrics.Histogram
}

func (t timedFile) WriteSync(p []byte, off int64) error {
	began := time.Now()
	err := t.File.WriteSync(p, off)
	t.syncs.Observe(time.Since(began))
	return err
}

func (t timed) SyncFile(path string) error { return t.time(t.Disk.SyncFile, path) }
func (t timed) SyncDir(path string) error  { return t.time(t.Disk.SyncDir, path) }
func (t timed) SyncAll(dir string) error   { return t.time(t.Disk.SyncAll, dir) }

func (t timed) time(sync func(string) error, path string) error {
	began := time.Now()
	err := sync(path)
	t.syncs.Observe(time.Since(began))
	return err
}
