package alarms_test

import (
	"context"
	"fmt"
	"time"

	"durago.example/objects"
	"durago.example/objects/alarms"
)

// A Room closes when nobody has been there for a while, and reminds its guests.
type Room struct {
	*alarms.Mux
}

// The class has alarms because the Mux has an Alarm.
var _ objects.AlarmHandler = (*Room)(nil)

func NewRoom(state *objects.State) (*Room, error) {
	r := &Room{}
	r.Mux = alarms.New(state, alarms.Handlers{"close": r.close, "remind": r.remind})
	return r, nil
}

// Touch puts the end off.
func (r *Room) Touch(ctx context.Context) error {
	return r.At(ctx, "close", time.Now().Add(10*time.Minute))
}

func (r *Room) close(context.Context, alarms.Run) error {
	fmt.Println("closed")
	return nil
}

func (r *Room) remind(_ context.Context, run alarms.Run) error {
	fmt.Printf("remind %s, retry %d\n", run.Key, run.RetryCount)
	return nil
}

func Example() {
	ctx := context.Background()
	room := startRoom() // the runtime does that
	must(room.Touch(ctx))
	must(room.At(ctx, "remind/ann", time.Now()))
	must(room.At(ctx, "remind/bob", time.Now().Add(time.Minute)))
	must(room.Alarm(ctx, objects.AlarmInfo{})) // and that, when the first is due
	_, waits, err := room.Next("remind/bob")
	must(err)
	fmt.Println("bob waits:", waits)
	// Output:
	// remind ann, retry 0
	// bob waits: true
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
