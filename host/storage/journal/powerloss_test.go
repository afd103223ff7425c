package journal_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/host/storage/powerloss"
)

// TestJournal_powerLoss cuts the power, or kills the process, at random operations of random work on a dozen databases,
// also in the middle of a recovery, and holds after each that every database has all that was acknowledged, and
// otherwise whole transactions alone. DURAGO_POWER_LOSSES asks for more, and DURAGO_SEED for others.
func TestJournal_powerLoss(t *testing.T) {
	losses, first := powerloss.Number(t, "DURAGO_POWER_LOSSES", 250), powerloss.Number(t, "DURAGO_SEED", 1)
	var all tally
	for seed := uint64(first); all.losses < losses; seed++ {
		require.NoError(t, live(t, seed, none, &all), "seed %d", seed)
	}
	t.Logf("%+v", all)
	require.NotZero(t, all.lost, "nothing was ever lost: the disk does not forget")
	require.NotZero(t, all.extra)
	require.NotZero(t, all.inRecovery)
	require.NotZero(t, all.removed)
	require.NotZero(t, all.stops)
	require.NotZero(t, all.reused, "no segment was ever used again")
}

// TestJournal_powerLoss_catches breaks the rules that the test above is there to hold. It begins with a seed that is near
// one that finds the fault: from 1 on, some of them take a thousand power losses and more.
func TestJournal_powerLoss_catches(t *testing.T) {
	for f, first := range map[fault]uint64{notSynced: 1, releasedEarly: 1, reusedEarly: 285, noFence: 1, noMarker: 1, lateTombstone: 1,
		perHandle: 30, noChecksum: 1, earlyGate: 1, cutNotSynced: 1990, headAtOnce: 1, neverSpilled: 1} {
		t.Run(strings.ReplaceAll(string(f), " ", "_"), func(t *testing.T) {
			t.Parallel()
			var all tally
			for seed := first; seed < first+2000; seed++ {
				if err := live(t, seed, f, &all); err != nil {
					t.Logf("found by seed %d, after %d power losses: %v", seed, all.losses, err)
					return
				}
			}
			t.Fatal("not found")
		})
	}
}
