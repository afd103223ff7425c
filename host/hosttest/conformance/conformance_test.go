package conformance_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"durago.example/host/hosttest"
	"durago.example/host/hosttest/conformance"
)

const folder = "../../../testdata/conformance"

func load(t *testing.T) *conformance.List {
	t.Helper()
	l, err := conformance.Load(folder)
	require.NoError(t, err)
	return l
}

func recording(t *conformance.Table) string { return filepath.Join(folder, "recorded", t.Name+".txt") }

// TestConformance plays every row on the host, and on workerd if there is one, and holds the answers to the recorded
// ones. DURAGO_RECORD=1 has workerd's recorded anew.
func TestConformance(t *testing.T) {
	l := load(t)
	for _, table := range l.Tables {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			host := play(t, table, false)
			var workerd []conformance.Answer
			if hosttest.WorkerdPath() != "" {
				workerd = play(t, table, true)
				if os.Getenv("DURAGO_RECORD") != "" {
					require.NoError(t, conformance.Write(recording(table), conformance.Record(table, workerd, host)))
				}
			}
			recorded, err := conformance.Read(recording(table))
			require.NoError(t, err, "record it: DURAGO_RECORD=1 make conformance")
			covered(t, table, recorded)
			found := conformance.Compare(recorded, host, true)
			if workerd != nil {
				for _, m := range conformance.Compare(recorded, workerd, false) {
					t.Errorf("workerd itself: %v", m)
				}
				t.Logf("conformance: %d lines here, %d from the host, %d unlisted differences, %d listed", len(workerd), len(host), len(found), listed(recorded))
			}
			for _, m := range found {
				t.Error(m)
			}
		})
	}
}

// elsewhere are the answers that are not held natively: those that tell what the program remembers, since a restart ends no
// process, and one that tells in which order goroutines begin, which is the machine's there.
var elsewhere = map[string]bool{"alarms.runs.restart/2": true, "alarms.counters/2": true, "stubs.order/1": true}

// TestConformance_native plays every row natively, and holds the answers to the host's recorded ones.
func TestConformance_native(t *testing.T) {
	for _, table := range load(t).Tables {
		t.Run(table.Name, func(t *testing.T) {
			t.Parallel()
			recorded, err := conformance.Read(recording(table))
			require.NoError(t, err)
			synctest.Test(t, func(t *testing.T) {
				for _, m := range conformance.Compare(recorded, playOn(startNatively(t), table), true) {
					if !elsewhere[m.Key] {
						t.Error(m)
					}
				}
			})
		})
	}
}

func play(t *testing.T, table *conformance.Table, workerd bool) (out []conformance.Answer) {
	t.Helper()
	return playOn(start(t, workerd), table)
}

func playOn(p *player, table *conformance.Table) (out []conformance.Answer) {
	for _, row := range table.Rows {
		if row.Do != "" {
			out = append(out, p.play(row)...)
		}
	}
	p.h.Stop()
	return out
}

// covered fails for rows whose script asserts nothing, and for those that say that they differ and do not.
func covered(t *testing.T, table *conformance.Table, recorded []conformance.Recorded) {
	t.Helper()
	asserts, differs := map[string]bool{}, map[string]bool{}
	for _, r := range recorded {
		asserts[r.ID] = true
		differs[r.ID] = differs[r.ID] || r.Differ
	}
	for _, row := range table.Rows {
		require.Equal(t, row.Do != "", asserts[row.ID], "%s is to have assertions, or not", row.ID)
		require.Equal(t, row.Differs != "", differs[row.ID], "%s is to differ, or not", row.ID)
	}
}

func listed(all []conformance.Recorded) (n int) {
	for _, r := range all {
		if r.Differ {
			n++
		}
	}
	return n
}
