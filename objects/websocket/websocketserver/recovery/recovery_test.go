package recovery_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket/websocketserver/recovery"
)

// TestLog_Resume: for each log and each last number, what is sent and what is reported cover what was missed, exactly.
func TestLog_Resume(t *testing.T) {
	for head := int64(0); head < 8; head++ {
		for first := int64(1); first <= head+1; first++ {
			for last := int64(0); last <= head+2; last++ {
				l := recovery.Log{First: first, Head: head}
				after, gap, lost := l.Resume(last)
				for seq := int64(1); seq <= head; seq++ {
					sent := seq > after
					reported := lost && seq >= gap.From && seq <= gap.To
					missed := seq > last
					require.Equal(t, missed, sent || reported, "%+v from %d: %d", l, last, seq)
					require.False(t, sent && reported)
					require.False(t, sent && seq < first, "it is not there")
					require.False(t, reported && seq >= first, "it is there")
				}
			}
		}
	}
}

func TestLog_Lost(t *testing.T) {
	l := recovery.Log{First: 3, Head: 9}
	for last, want := range map[int64]string{0: "{1 9} false", 1: "{2 9} true", 8: "{9 9} true", 9: "{10 9} false", 20: "{21 9} false"} {
		gap, ok := l.Lost(last)
		require.Equal(t, want, fmt.Sprint(gap, ok))
	}
}

func TestJudge(t *testing.T) {
	for _, row := range []struct {
		handled, n int64
		want       recovery.Verdict
	}{{0, 1, recovery.New}, {0, 2, recovery.Ahead}, {5, 6, recovery.New}, {5, 5, recovery.Again}, {5, 1, recovery.Again}, {5, 7, recovery.Ahead}} {
		require.Equal(t, row.want, recovery.Judge(row.handled, row.n), "%+v", row)
	}
}

// TestWindow: a client that acknowledges keeps its room, whatever part of the messages is for it.
func TestWindow(t *testing.T) {
	var w recovery.Window
	for seq := int64(1); seq <= 3; seq++ {
		require.True(t, w.Send(seq, 3))
	}
	require.False(t, w.Send(4, 3))
	w.Ack(2)
	require.False(t, w.Send(5, 2), "3, 4 and 5")
	w.Ack(5)
	require.True(t, w.Send(1000, 1), "all others were not for it")
	w.Ack(999)
	require.False(t, w.Send(1001, 1))
	w.Ack(2000)
	require.True(t, w.Send(1002, 1), "an acknowledgement of what was never sent is worth no more")
	require.False(t, w.Send(1003, 1))
}

func TestToken(t *testing.T) {
	id := recovery.NewID()
	token, digest := recovery.NewToken(id)
	session, secret, ok := recovery.Split(token)
	require.True(t, ok)
	require.Equal(t, id, session)
	require.True(t, recovery.Match(secret, digest))
	other, _ := recovery.NewToken(id)
	require.NotEqual(t, other, token)
	_, wrong, _ := recovery.Split(other)
	require.False(t, recovery.Match(wrong, digest))
	require.False(t, recovery.Match("", digest))
	for _, bad := range []string{"", ".", id, id + ".", "." + secret, token + "x", "x" + token} {
		_, _, ok := recovery.Split(bad)
		require.False(t, ok, bad)
	}
}

// FuzzSplit: what is no token is refused, and what is one has parts of their lengths.
func FuzzSplit(f *testing.F) {
	token, _ := recovery.NewToken(recovery.NewID())
	f.Add(token)
	f.Add("a.b")
	f.Fuzz(func(t *testing.T, s string) {
		if session, secret, ok := recovery.Split(s); ok && session+"."+secret != s {
			t.Fatal(session, secret)
		}
	})
}

// TestFlow: whatever is sent and answered, what is under way is bounded, and one that is not open has a question to answer.
func TestFlow(t *testing.T) {
	for size := int64(1); size < 6; size++ {
		for bits := range 1 << 12 {
			var f recovery.Flow
			var under, older int64 // messages under way, and those of them before the question
			asked := false
			for i := range 12 {
				if bits>>i&1 == 1 {
					if !asked {
						continue
					}
					under, older, asked = under-older, 0, false
					if f.Answer(size) {
						asked, older = true, under
					}
				} else if f.Open(size) {
					under++
					if f.Send(100, size) {
						require.False(t, asked)
						asked, older = true, under
					}
				}
				require.LessOrEqual(t, under, size)
				require.Equal(t, under < size, f.Open(size))
				require.True(t, f.Open(size) || asked)
			}
		}
	}
	var f recovery.Flow
	require.True(t, f.Send(recovery.FlowBytes, 1000))
	require.False(t, f.Open(1000), "bytes count too")
	require.False(t, f.Answer(1000))
	require.True(t, f.Open(1000))
}
