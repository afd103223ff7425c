package powerloss

import "durago.example/host/storage/journal"

// Synced opens a file for a disk of a test that has a SyncFile of its own: each WriteSync is a WriteAt and one of these.
func Synced(disk journal.Disk, path string, create bool) (journal.File, error) {
	f, err := journal.Machine{}.OpenFile(path, create)
	return synced{f, disk, path}, err
}

type synced struct {
	journal.File
	disk journal.Disk
	path string
}

func (s synced) WriteSync(p []byte, off int64) error {
	if _, err := s.WriteAt(p, off); err != nil {
		return err
	}
	return s.disk.SyncFile(s.path)
}
