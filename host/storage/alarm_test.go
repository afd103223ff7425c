package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/host/storage"
)

func TestAlarms_names(t *testing.T) {
	at := time.UnixMilli(1_767_225_600_000)
	none := func(error) {}
	t.Run("a name that is not known any more stays", func(t *testing.T) {
		s, err := storage.Open(storage.Options{Dir: filepath.Join(t.TempDir(), "state")})
		require.NoError(t, err)
		a := s.Alarms("key")
		require.NoError(t, a.Put(storage.AlarmRow{ID: "1", At: at, Name: "one", Named: true}, none))
		require.NoError(t, a.Put(storage.AlarmRow{ID: "1", At: at.Add(time.Hour)}, none))
		require.NoError(t, a.Put(storage.AlarmRow{ID: "2", At: at}, none))
		require.NoError(t, a.Put(storage.AlarmRow{ID: "2", At: at, Name: "two", Named: true}, none))
		rows, err := a.Load()
		require.NoError(t, err)
		require.Equal(t, []storage.AlarmRow{{"1", at.Add(time.Hour), "one", true}, {"2", at, "two", true}}, rows)
		require.NoError(t, errors.Join(a.Close(), s.Close()))
	})
	t.Run("a table without names gets them", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		s, err := storage.Open(storage.Options{Dir: dir})
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "key"), 0o755))
		old, err := sqlite3.Open("file:" + filepath.Join(dir, "key", "metadata.sqlite"))
		require.NoError(t, err)
		require.NoError(t, old.Exec(`CREATE TABLE _cf_ALARM (actor_id TEXT PRIMARY KEY, scheduled_time INTEGER) WITHOUT ROWID;
			INSERT INTO _cf_ALARM VALUES ('0', 1767225600000000000)`))
		require.NoError(t, old.Close())
		a := s.Alarms("key")
		rows, err := a.Load()
		require.NoError(t, err)
		require.Equal(t, []storage.AlarmRow{{ID: "0", At: at}}, rows)
		require.NoError(t, a.Put(storage.AlarmRow{ID: "1", At: at, Name: "one", Named: true}, none))
		require.NoError(t, errors.Join(a.Close(), s.Close()))
	})
}
