package alarms_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"durago.example/objects"
	"durago.example/objects/internal/fakeobject"
)

// since is a time as the seconds since the start of a bubble of synctest.
func since(at time.Time) string {
	return at.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).Round(time.Millisecond).String()
}

func newState(t *testing.T) (*fakeobject.Object, *objects.State) {
	t.Helper()
	o, err := fakeobject.Open()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.DB.Close()) })
	type object struct{ *objects.State }
	made, err := fakeobject.Create(o, func(state *objects.State) (*object, error) { return &object{state}, nil })
	require.NoError(t, err)
	return o, made.State
}

func startRoom() *Room {
	o, err := fakeobject.Open()
	must(err)
	room, err := fakeobject.Create(o, NewRoom)
	must(err)
	return room
}
