package storage

import (
	"errors"
	"os"

	"durago.example/host/storage/journal"
)

// Disk is what the store asks of a file system. The fault tests give one that forgets what was not synced.
type Disk = journal.Disk

// durability makes commits durable. There are three: one journal for all databases, a sync of each log, and none.
type durability interface {
	// layer is the name of the SQLite file layer through which databases are opened.
	layer() string
	// create makes the file of a database. It does not wait for the disk.
	create(path string) error
	// young tells whether a file of a database is there though the disk does not have it.
	young(path string) bool
	// spill has the file of a database hold all that was written to it, and makes it if it is not there.
	spill(path string) error
	// remove removes a database that is closed and holds nothing, with its log. It may wait for the disk.
	remove(path string) error
	// committed has report called once all that the database holds now is durable: in the order of the calls for one database.
	committed(path string, report func(error))
	// fail ends everything with the first error that it is given, and returns that: what a failed sync was to make durable
	// may be gone, and a second sync would not tell.
	fail(err error) error
	// stop waits until all that was committed is durable and reported. There is no commit after it.
	stop() error
	// close comes when all databases are closed and their logs are in them.
	close() error
}

var (
	_ durability = (*syncer)(nil)
	_ durability = journaled{}
	_ durability = process{}
)

// journaled has one journal for all databases.
type journaled struct{ *journal.Journal }

func (j journaled) layer() string                          { return j.VFS() }
func (j journaled) create(path string) error               { return j.Create(path) }
func (j journaled) young(path string) bool                 { return j.Young(path) }
func (j journaled) spill(path string) error                { return j.Spill(path) }
func (j journaled) remove(path string) error               { return j.Remove(path) }
func (j journaled) committed(_ string, report func(error)) { j.Committed(report) }
func (j journaled) fail(err error) error                   { return j.Fail(err) }
func (j journaled) close() error                           { return j.Close() }

func (j journaled) stop() error {
	durable := make(chan error, 1)
	j.Committed(func(err error) { durable <- err })
	return <-durable
}

// process leaves all to the page cache: what was acknowledged survives the process, not the machine.
type process struct {
	vfs  string
	disk Disk
}

func (p process) layer() string                        { return p.vfs }
func (p process) create(path string) error             { return create(p.disk, path) }
func (process) young(string) bool                      { return false }
func (process) spill(string) error                     { return nil }
func (p process) remove(path string) error             { return p.disk.Remove(path) }
func (process) committed(_ string, report func(error)) { report(nil) }
func (process) fail(err error) error                   { return err }
func (process) stop() error                            { return nil }
func (process) close() error                           { return nil }

// create writes the template, without a sync.
func create(disk Disk, path string) error {
	f, err := disk.OpenFile(path, true)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(template, 0)
	return errors.Join(err, f.Close())
}

// exists tells whether a file of a database is there.
func (s *Store) exists(path string) (bool, error) {
	if s.durable.young(path) {
		return true, nil
	}
	return exists(path)
}

// exists tells whether there is a file or directory of a name.
func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
