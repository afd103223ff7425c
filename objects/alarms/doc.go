// Package alarms lets the features of an object share its one alarm: each has schedules of its own, by name.
//
//	type Room struct {
//		*alarms.Mux
//		state *objects.State
//	}
//
//	func New(state *objects.State) (*Room, error) {
//		r := &Room{state: state}
//		r.Mux = alarms.New(state, alarms.Handlers{"expire": r.expire, "report": r.report})
//		return r, r.Every(state.Context(), "report", time.Hour)
//	}
//
//	err := r.At(ctx, "expire/"+user, time.Now().Add(time.Minute)) // r.expire runs with the key user
//
// # How it works
//
// A schedule is a row of the table durago_alarms in the object's own database: a change of one is a write of one row, and
// commits or is undone with whatever else its turn or transaction writes. The object's alarm is set for the earliest of
// them, and touched only when that changes. When it fires, Mux.Alarm runs the handlers of all schedules that are due, one
// after another, those that have not failed yet first.
//
// # What is promised
//
// A handler runs at least once for each time that was scheduled: if the object is reset while it runs, it runs again. One
// that fails, or panics, is tried again after 2, 4, 8 … seconds and up to a quarter more, six times, as the platform does
// with an alarm; then a schedule made with At is dropped, and one made with Every waits for its next time. Its failures
// are logged, and delay nobody else. One that takes long does: what it need not wait for belongs into State.WaitUntil.
//
// The alarm is the Mux's: an object that has one must not set or delete its alarm by other means. After
// Storage.DeleteAll there are no schedules.
package alarms
