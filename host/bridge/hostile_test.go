package bridge_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"durago.example/host/durable"
	"durago.example/host/hosttest"
	"durago.example/wasm/abi"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// TestBridge_Call_hostile has a guest send garbage: every operation there is and some that are not, with frames that are
// random, cut short, or hold lengths beyond the end. Each is answered, and the host serves on.
func TestBridge_Call_hostile(t *testing.T) {
	h := hosttest.Start(t, hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", Isolates: 1})
	rng := rand.New(rand.NewPCG(1, 1))
	g := h.Guests()[0]
	ns, ok := h.Namespace("HOME")
	require.True(t, ok)
	refused := 0
	for round := range 40 {
		status, text := h.Fetch(http.MethodPost, "/count/victim", "") // it is in memory, whatever happened to it before
		require.Equal(t, http.StatusOK, status, "round %d: %s", round, text)
		done := make(chan struct{})
		require.NoError(t, ns.Visit(ns.IDFromName("victim"), nil, func(o *durable.Object) {
			defer close(done)
			b, ctx := g.Place(o)
			for range 100 {
				op := abi.Op(rng.IntN(96))
				if op == abi.OpTransactionSync {
					continue // it runs guest code: only from inside a run
				}
				token := uint32(rng.IntN(4))
				if op == abi.OpSQLIntern {
					token += 1000 // not the texts that the guest itself goes by
				}
				if _, ok := b.Call(ctx, op, token, garbage(rng), nil); !ok {
					refused++
				}
			}
			o.Break(errors.New("enough")) // some of it was well-formed: an abort, a section that nobody leaves
		}))
		<-done
	}
	require.Greater(t, refused, 500)
	status, n := h.Fetch(http.MethodPost, "/count/neighbour", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "1", n)
}

func garbage(rng *rand.Rand) []byte {
	b := make([]byte, rng.IntN(40))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	switch rng.IntN(5) {
	case 0: // a string that says it is longer than it is
		return append(binary.LittleEndian.AppendUint32(nil, 1<<31+rng.Uint32N(1<<31)), b...)
	case 1: // plausible strings
		return abi.AppendStr(abi.AppendStr(b[:0], "HOME"), strings.Repeat("f", rng.IntN(70)))
	case 3: // a call that lends what is not there
		call := abi.AppendStr(abi.AppendU32(nil, rng.Uint32N(4)), "m")
		return append(append(call, "L\x01\x02\x00\x00\x00A\x01H"...), byte(rng.IntN(7)), byte(rng.IntN(4)), 0, 0, 0)
	case 2: // small numbers
		for i := range b {
			b[i] &= 3
		}
	}
	return b
}

// call is one operation of a guest.
type call struct {
	op    abi.Op
	token uint32
	frame []byte
}

// script reads any bytes as operations: each is its number, a token, the length of its frame, and that.
func script(b []byte) (list []call) {
	for len(b) >= 3 && len(list) < 64 {
		c := call{op: abi.Op(b[0]), token: uint32(b[1])}
		n := min(int(b[2]), len(b)-3)
		c.frame, b = b[3:3+n], b[3+n:]
		if c.op == abi.OpTransactionSync { // it runs guest code: only from inside a run
			continue
		}
		if c.op == abi.OpSQLIntern { // not the texts that the guest itself goes by
			c.token += 1000
		}
		list = append(list, c)
	}
	return list
}

// appendCall is a call as script reads it.
func appendCall(b []byte, op abi.Op, token byte, frame []byte) []byte {
	return append(append(b, byte(op), token, byte(len(frame))), frame...)
}

// FuzzBridge_Call has a guest perform any operations with any frames: the host answers each and serves on.
func FuzzBridge_Call(f *testing.F) {
	h := hosttest.Start(f, hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", Isolates: 1})
	rng := rand.New(rand.NewPCG(2, 2))
	for op := range abi.Op(96) {
		f.Add(appendCall(nil, op, 1, garbage(rng)))
	}
	home := abi.AppendStr(nil, "HOME")
	stub := abi.AppendStr(abi.AppendStr(abi.AppendBool(abi.AppendStr(home, strings.Repeat("f", 64)), false), ""), "")
	f.Add(appendCall(appendCall(nil, abi.OpStub, 2, stub), abi.OpStubCall, 1, abi.AppendStr(abi.AppendU32(nil, 2), "count")))
	f.Add(appendCall(appendCall(nil, abi.OpKVPut, 1, abi.AppendStr(nil, "k")), abi.OpKVGet, 1, []byte("k")))
	f.Add(appendCall(appendCall(nil, abi.OpSQLIntern, 1, []byte("SELECT 1")), abi.OpSQL, 1, []byte{1, 0, 0}))
	g := h.Guests()[0]
	ns, ok := h.Namespace("HOME")
	require.True(f, ok)
	f.Fuzz(func(t *testing.T, b []byte) {
		resp, err := http.Post(h.URL+"/count/victim", "", nil)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
		done := make(chan struct{})
		require.NoError(t, ns.Visit(ns.IDFromName("victim"), nil, func(o *durable.Object) {
			defer close(done)
			in, ctx := g.Place(o)
			for _, c := range script(b) {
				answer, ok := in.Call(ctx, c.op, c.token, c.frame, nil)
				if _, err := abi.ReadError(answer); !ok && err != nil {
					t.Errorf("operation %d is refused with a malformed error: %v", c.op, err)
				}
			}
			o.Break(errors.New("enough"))
		}))
		<-done
		require.Zero(t, g.Counts().Restarts.Load(), "the isolate ended")
	})
}

// TestBridge_Call_scopes: an operation for a context that is not there is refused.
func TestBridge_Call_scopes(t *testing.T) {
	h := hosttest.Start(t, hosttest.Options{Config: "../../testdata/guests/scenario/wrangler.toml", Isolates: 1})
	g := h.Guests()[0]
	answers := make(chan string, 1)
	require.NoError(t, g.Do(func() {
		answer, ok := g.Present().Call(4711, abi.OpKVGet, 0, []byte("k"), nil)
		if ok {
			answers <- "it was performed"
			return
		}
		e, err := abi.ReadError(answer)
		if err != nil {
			answers <- err.Error()
			return
		}
		answers <- e.Message
	}))
	select {
	case got := <-answers:
		require.Equal(t, "durago: this context is gone", got)
	case <-time.After(10 * time.Second):
		t.Fatal("no answer")
	}
}
