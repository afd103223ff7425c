package storage_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
)

// disk is a directory on a disk: DURAGO_BENCH_DIR, or the default for temporary files.
func disk(b *testing.B) string {
	dir, err := os.MkdirTemp(os.Getenv("DURAGO_BENCH_DIR"), "durago-")
	require.NoError(b, err)
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// both runs a benchmark for each way of being durable.
func both(b *testing.B, f func(b *testing.B, s *storage.Store)) {
	for name, o := range map[string]storage.Options{"journal": {}, "logs": {SyncLogs: true}, "process": {NoSync: true}} {
		b.Run(name, func(b *testing.B) {
			o.Dir = disk(b)
			s, err := storage.Open(o)
			require.NoError(b, err)
			require.NoError(b, s.MakeNamespace("key"))
			f(b, s)
			b.StopTimer()
			require.NoError(b, s.Close())
		})
	}
}

// BenchmarkCommit is one loop that commits to many databases while 64 commits are not durable.
func BenchmarkCommit(b *testing.B) {
	for _, objects := range []int{1, 1000} {
		b.Run(fmt.Sprintf("objects=%d", objects), func(b *testing.B) {
			both(b, func(b *testing.B, s *storage.Store) {
				databases := make([]*storage.Database, objects)
				for i := range databases {
					databases[i] = s.Database("key", fmt.Sprintf("%064x", i))
					require.NoError(b, databases[i].Put("k", nil))
					_, err := databases[i].Commit(func(error) {})
					require.NoError(b, err)
				}
				open := make(chan struct{}, 64)
				var value [8]byte
				b.ResetTimer()
				for i := range b.N {
					d := databases[i*7919%objects]
					open <- struct{}{}
					binary.LittleEndian.PutUint64(value[:], uint64(i))
					require.NoError(b, d.Put("k", value[:]))
					if _, err := d.Commit(func(error) { <-open }); err != nil {
						b.Fatal(err)
					}
					if d.Due(true) {
						d.Checkpoint(func() {})
					}
				}
				for range cap(open) {
					open <- struct{}{}
				}
				b.StopTimer()
				for _, d := range databases {
					require.NoError(b, d.Close())
				}
			})
		})
	}
}

// BenchmarkCreate makes a database with one write, and closes it.
func BenchmarkCreate(b *testing.B) {
	both(b, func(b *testing.B, s *storage.Store) {
		open := make(chan struct{}, 64)
		for i := range b.N {
			d := s.Database("key", fmt.Sprintf("%064x", i))
			open <- struct{}{}
			require.NoError(b, d.Put("k", []byte("v")))
			if _, err := d.Commit(func(error) { <-open }); err != nil {
				b.Fatal(err)
			}
			require.NoError(b, d.Close())
		}
		for range cap(open) {
			open <- struct{}{}
		}
	})
}
