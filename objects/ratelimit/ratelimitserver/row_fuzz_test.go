package ratelimitserver_test

import (
	"testing"

	"github.com/ncruces/go-sqlite3"
	"github.com/stretchr/testify/require"

	"durago.example/objects/ratelimit"
	"durago.example/objects/ratelimit/ratelimitserver"
)

// FuzzReread reads anything as the row of a key: it is refused, or it is stored as what reads the same again.
func FuzzReread(f *testing.F) {
	lent := ratelimit.Rule{Name: "r", Loan: 10, LoanMS: 1000, Limits: []ratelimit.Limit{
		{Algorithm: ratelimit.GCRA, Quota: 5, PeriodMS: 1000}, {Algorithm: ratelimit.SlidingLog, Quota: 5, PeriodMS: 1000}, {Algorithm: ratelimit.Month, Quota: 9}}}
	held := ratelimit.Rule{Name: "r", Limits: []ratelimit.Limit{{Algorithm: ratelimit.Concurrency, Quota: 5, PeriodMS: 1000}, {Algorithm: ratelimit.SlidingWindow, Quota: 5, PeriodMS: 1000}}}
	for _, b := range rows(f, lent, held) {
		f.Add(b, int64(1_700_000_000_000))
	}
	f.Fuzz(func(t *testing.T, b []byte, now int64) {
		if now < 0 || now > 1<<51 {
			return
		}
		for _, r := range []ratelimit.Rule{lent, held} {
			once, expires, err := ratelimitserver.Reread(b, r, now)
			if err != nil {
				continue
			}
			if expires < now || expires > 1<<53 {
				t.Fatalf("expires at %d", expires)
			}
			if _, _, err := ratelimitserver.Reread(once, r, now); err != nil {
				t.Fatalf("%x, stored as %x, does not read: %v", b, once, err)
			}
		}
	})
}

// rows are what an object stores under rules, with all that a row can have.
func rows(f *testing.F, rules ...ratelimit.Rule) (list [][]byte) {
	for _, r := range rules {
		o := newObject(f, ratelimitserver.Config{Rules: []ratelimit.Rule{r}})
		q := of("r", "k", 2)
		q.Loan, q.LockMS = 3, 50
		for _, m := range []method{ratelimit.Take, ratelimit.Penalize, ratelimit.Deny} {
			_, err := m.Call(f.Context(), o, q)
			require.NoError(f, err)
			list = append(list, o.state())
		}
		r.Key = "k"
		require.NoError(f, ratelimit.SetRule.Call(f.Context(), o, r))
		list = append(list, o.state())
	}
	return list
}

// state is the only row's.
func (o *object) state() []byte {
	s, _, err := o.DB.Conn.Prepare(`SELECT state FROM ratelimit_keys`)
	require.NoError(o.t, err)
	defer s.Close()
	require.True(o.t, s.Step())
	require.Equal(o.t, sqlite3.BLOB, s.ColumnType(0))
	return append([]byte{}, s.ColumnRawBlob(0)...)
}
