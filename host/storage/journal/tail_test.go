package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/host/storage/journal"
)

// TestJournal_Create_whileReleasing holds that a database that is being made is not forgotten with what was synced. It
// is a matter of chance: the fault is found by every fourth run or so.
func TestJournal_Create_whileReleasing(t *testing.T) {
	root := t.TempDir()
	j := recovered(t, journal.Options{Root: root})
	defer j.Abandon()
	done := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(done)
	for _, f := range []func(){func() { _ = j.Release(1) }, func() { j.Young(root + "/a.sqlite") }, func() { j.Young(root + "/b.sqlite") }} {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					f()
				}
			}
		})
	}
	for i := range 2000 {
		path := filepath.Join(root, fmt.Sprintf("%d.sqlite", i))
		require.NoError(t, j.Create(path))
		require.True(t, j.Young(path), path)
	}
}

// TestJournal_Spill_withoutRecord holds that no head of a log is on disk before its record is durable (rule 9), though the
// log is made a file in the middle of the write.
func TestJournal_Spill_withoutRecord(t *testing.T) {
	root := t.TempDir()
	j := recovered(t, journal.Options{Root: root})
	defer j.Abandon()
	path, head := filepath.Join(root, "a.sqlite-wal"), bytes.Repeat([]byte{7}, 32)
	onDisk := func() []byte {
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		return b
	}
	j.BeginLog("a.sqlite-wal", head, func() {
		require.NoError(t, j.Spill(path))
		require.Empty(t, onDisk())
	})
	require.NoError(t, j.Release(0))
	require.Empty(t, onDisk(), "the record is not durable")
	require.NoError(t, j.Flush())
	require.NoError(t, j.Release(0))
	require.Equal(t, head, onDisk())
}

// TestLog_tail holds that the file of a log has what was there at the last release, that the rest is read from memory, also by
// who opens the log again, and that the next release writes it.
func TestLog_tail(t *testing.T) {
	root := t.TempDir()
	j := recovered(t, journal.Options{Root: root})
	defer j.Abandon()
	path := filepath.Join(root, "a.sqlite")
	require.NoError(t, j.Create(path))
	c := connect(t, j, path)
	insert := func(n int) {
		require.NoError(t, c.Exec(fmt.Sprintf(`INSERT INTO t VALUES (%d)`, n)))
		require.NoError(t, j.Flush())
	}
	sum := func() (n int) {
		require.NoError(t, rows(c, `SELECT sum(x) FROM t WHERE typeof(x) = 'integer'`, func(s *sqlite3.Stmt) error { n = s.ColumnInt(0); return nil }))
		return n
	}
	size := func() int64 {
		info, err := os.Stat(path + "-wal")
		require.NoError(t, err)
		return info.Size()
	}
	require.NoError(t, c.Exec(`CREATE TABLE t (x)`))
	insert(1)
	require.NoFileExists(t, path+"-wal", "it is young")
	require.NoError(t, j.Release(0))
	first := size()
	require.Zero(t, j.Held())

	insert(2)
	require.Equal(t, first, size())
	require.NotZero(t, j.Held())
	require.Equal(t, 3, sum())
	_, err := c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.Equal(t, first, size())
	c = connect(t, j, path)
	require.Equal(t, 3, sum())
	require.NoError(t, j.Release(0))
	second := size()
	require.Greater(t, second, first)
	require.Zero(t, j.Held())

	for i := range 40 { // more than a tail holds
		require.NoError(t, c.Exec(`INSERT INTO t VALUES (randomblob(4000))`))
		require.Less(t, j.Held(), int64(64<<10+8<<10), i)
	}
	require.Greater(t, size(), second)
	_, _, err = c.WALCheckpoint("main", sqlite3.CHECKPOINT_TRUNCATE)
	require.NoError(t, err)
	require.Zero(t, size())
	require.Zero(t, j.Held())
	insert(3)
	require.Zero(t, size())
	require.Equal(t, 6, sum())
	require.NoError(t, c.Close())
}

// TestJournal_Release_many: of many files all of the file system is synced, a portion of them at a time, and each of them if that
// fails.
func TestJournal_Release_many(t *testing.T) {
	const many, portions = 40, 3
	for _, fails := range []bool{false, true} {
		disk := &counted{fails: fails}
		j := recovered(t, journal.Options{Root: t.TempDir(), Disk: disk})
		for i := range many {
			require.NoError(t, j.Create(filepath.Join(j.Root(), fmt.Sprintf("%d.sqlite", i))))
		}
		require.NoError(t, j.Flush())
		disk.all, disk.files = 0, 0
		require.NoError(t, j.Release(0))
		require.Equal(t, portions, disk.all)
		if fails {
			require.Equal(t, many, disk.files)
		} else {
			require.Zero(t, disk.files)
		}
		j.Abandon()
	}
}

type counted struct {
	journal.Machine
	fails      bool
	all, files int
}

func (c *counted) SyncFile(path string) error {
	c.files++
	return c.Machine.SyncFile(path)
}

func (c *counted) SyncAll(dir string) error {
	if c.all++; c.fails {
		return errors.New("a file of somebody else")
	}
	return c.Machine.SyncAll(dir)
}

// TestJournal_rest: a release rests between its portions, and those who need its end do not wait for that.
func TestJournal_rest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		j := recovered(t, journal.Options{Root: root})
		defer j.Abandon()
		took := func(worked time.Duration) time.Duration {
			began := time.Now()
			j.Rest(worked)
			return time.Since(began)
		}
		require.Equal(t, 20*time.Millisecond, took(10*time.Millisecond))
		require.Equal(t, 100*time.Millisecond, took(time.Second))
		j.Hurry(func() { require.Zero(t, took(time.Second)) })
		require.Equal(t, 20*time.Millisecond, took(10*time.Millisecond))
	})
}
