package storage_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage/powerloss"
)

// TestStore_powerLoss cuts the power many times, at random operations of random work on a few databases, also
// while a store recovers, and holds after each that every database has all that was acknowledged, and otherwise whole
// transactions alone. DURAGO_POWER_LOSSES asks for more, and DURAGO_SEED for others.
func TestStore_powerLoss(t *testing.T) {
	losses, first := powerloss.Number(t, "DURAGO_POWER_LOSSES", 200), powerloss.Number(t, "DURAGO_SEED", 1)
	for _, how := range []how{oneJournal, eachLog} {
		t.Run(string(how), func(t *testing.T) {
			t.Parallel()
			var all tally
			for seed := uint64(first); all.losses < losses; seed++ {
				require.NoError(t, live(t, seed, how, none, &all), "seed %d", seed)
			}
			t.Logf("%+v", all)
			require.NotZero(t, all.lost, "nothing was ever lost: the disk does not forget")
			require.NotZero(t, all.extra)
			require.NotZero(t, all.checkpoints)
			require.NotZero(t, all.removed)
			require.NotZero(t, all.stops)
			require.NotZero(t, all.inRecovery)
			require.Zero(t, all.waits, "a loop waited for the disk, and the journal was not full")
		})
	}
}

// TestStore_powerLoss_catches seeds the faults that the test above is there to find. It begins with a seed that is near one
// that does. A late tombstone is not among them: the store removes databases that hold nothing, and one that comes back
// holds nothing. It is found where the journal is tested alone.
func TestStore_powerLoss_catches(t *testing.T) {
	for _, row := range []struct {
		how   how
		fault fault
		first uint64
	}{
		{eachLog, noSync, 1}, {eachLog, noLogSync, 1}, {eachLog, noNameSync, 1}, {eachLog, noRootSync, 1},
		{oneJournal, notSynced, 1}, {oneJournal, releasedEarly, 1}, {oneJournal, reusedEarly, 100}, {oneJournal, noFence, 1}, {oneJournal, noMarker, 1},
		{oneJournal, perHandle, 68}, {oneJournal, noChecksum, 1}, {oneJournal, earlyGate, 1}, {oneJournal, noRootSync, 1},
	} {
		t.Run(strings.ReplaceAll(string(row.how)+", "+string(row.fault), " ", "_"), func(t *testing.T) {
			t.Parallel()
			var all tally
			for seed := row.first; seed < row.first+2000; seed++ {
				if err := live(t, seed, row.how, row.fault, &all); err != nil {
					t.Logf("found by seed %d, after %d power losses: %v", seed, all.losses, err)
					return
				}
			}
			t.Fatal("not found")
		})
	}
}
