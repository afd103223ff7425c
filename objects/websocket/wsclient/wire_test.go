//go:build !js

package wsclient

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"durago.example/objects/websocket"
)

// TestWire: the words of the protocol are the contract's.
func TestWire(t *testing.T) {
	require.Equal(t, []string{websocket.Recoverable, websocket.PingFrame, `{"event":"` + pong + `"}`, websocket.SessionList, websocket.SessionOpen, websocket.SessionGap,
		websocket.SessionAck, websocket.MessageAck, websocket.Error},
		[]string{protocol, ping, websocket.PongFrame, sessionList, sessionOpen, sessionGap, sessionAck, messageAck, failure})
	require.Equal(t, []int{websocket.CloseReplaced, websocket.CloseKicked}, []int{replaced, kicked})
}

// TestReadFrame: what other readers would take for something else.
func TestReadFrame(t *testing.T) {
	for text, want := range map[string]frame{
		`{"event":"chat","EVENT":"session:gap","To":9}`:                              {event: "chat"},
		`{"event":"a","event":"b","seq":1,"seq":2}`:                                  {event: "b", seq: 2},
		` { "\u0065vent" : "é\n" , "x" : [1,{"seq":5}] , "n" : 3 } `:                 {event: "é\n", n: 3},
		`{"event":"chat","text":"\"},\\","resumed":true,"from":1,"to":2,"n":"x"}`:    {event: "chat", resumed: true, from: 1, to: 2},
		`{"event":"error","status":413,"message":"too large (max 5)","n":1.5}`:       {event: "error", status: 413, message: "too large (max 5)"},
		`{"event":7,"ws_session_id":"I","token":"T","nested":{"event":"no","n":[]}}`: {id: "I", token: "T"},
		`{}`: {},
	} {
		got, ok := readFrame([]byte(text))
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{``, `{`, `null`, `[1]`, `"x"`, `{"a"}`, `{"a":1`, `{1:2}`, `{"a":1}}`, `{"a`, `{"a\`} {
		_, ok := readFrame([]byte(text))
		require.False(t, ok, text)
	}
}

// FuzzFields: of JSON it sees what encoding/json sees, and nothing else brings it down.
func FuzzFields(f *testing.F) {
	f.Add([]byte(`{"a":"b\"c","d":[{"e":1},2],"f":{"g":"}"} , "h" : null}`))
	f.Add([]byte(`{"a\`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := map[string]json.RawMessage{}
		ok := fields(text, func(name string, v []byte) { got[name] = append(json.RawMessage{}, v...) })
		var want map[string]json.RawMessage
		if json.Unmarshal(text, &want) != nil || want == nil {
			return // rooms send JSON
		}
		require.True(t, ok)
		require.Equal(t, want, got)
	})
}

func TestAppendFrame(t *testing.T) {
	for want, v := range map[string]any{
		`{"event":"e"`:          nil,
		`{"x":1,"event":"e"`:    map[string]any{"x": 1},
		`{"seq":"","event":"e"`: json.RawMessage(`{"seq":""}`),
	} {
		got, err := appendFrame("e", v)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	for says, v := range map[string]any{"must be an object": 5, "own field": map[string]any{"n": 1}, "unsupported type": make(chan int)} {
		_, err := appendFrame("e", v)
		require.ErrorContains(t, err, says)
	}
	_, err := appendFrame("", nil)
	require.ErrorContains(t, err, "has a name")
	require.Equal(t, 4, units([]byte("aé😀")))
	require.Equal(t, 3, units([]byte(strings.Repeat("€", 3))))
}
