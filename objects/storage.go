package objects

import (
	"context"
	"time"

	"durago.example/objects/driver"
)

// Storage is an object's durable storage. See
// https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/.
//
// Writes made without waiting between them commit together when the goroutine first waits for something outside the
// object; nothing leaves the object before they are on disk.
type Storage struct{ scope driver.Scope }

// SQL is the object's SQLite database.
func (s *Storage) SQL() *SQL { return &SQL{s.scope.SQL()} }

// KV is synchronous key-value storage, in the same database.
func (s *Storage) KV() *KV { return &KV{s.scope.KV()} }

// Async is key-value storage through promises, the older interface to the same keys.
func (s *Storage) Async() *AsyncKV { return &AsyncKV{s.scope.AsyncKV()} }

// Sync waits until all earlier writes are on disk.
func (s *Storage) Sync(ctx context.Context) error { return s.scope.Storage().Sync(ctx) }

// DeleteAll deletes the database and the alarm. It fails inside a transaction.
func (s *Storage) DeleteAll(ctx context.Context) error { return s.scope.Storage().DeleteAll(ctx) }

// Bookmark is the current point in the history of the database; a later one compares greater.
func (s *Storage) Bookmark(ctx context.Context) (Bookmark, error) {
	b, err := s.scope.Storage().Bookmark(ctx)
	return Bookmark(b), err
}

// Bookmark is a point in the history of an object's database.
type Bookmark string

// SetAlarm has the object's Alarm run at the given time; a time in the past is now. It replaces an earlier alarm. Of the
// options AllowUnconfirmed counts: an answer may leave before the alarm is on disk.
func (s *Storage) SetAlarm(ctx context.Context, at time.Time, o ...AsyncOptions) error {
	return s.scope.Storage().SetAlarm(ctx, at, flags(o))
}

func flags(all []AsyncOptions) (f byte) {
	for _, o := range all {
		f |= o.flags()
	}
	return f
}

// Alarm is the time of the alarm that is set. Inside the Alarm handler none is, unless it sets one.
func (s *Storage) Alarm(ctx context.Context) (at time.Time, ok bool, err error) {
	return s.scope.Storage().Alarm(ctx)
}

// DeleteAlarm removes the alarm; the options are those of SetAlarm.
func (s *Storage) DeleteAlarm(ctx context.Context, o ...AsyncOptions) error {
	return s.scope.Storage().DeleteAlarm(ctx, flags(o))
}

// TransactionSync runs f; its writes stay if it returns nil and are undone if it returns an error or panics. f must not
// wait: operations that would wait fail with ErrWouldWait, and waiting for a channel ends the isolate. Transactions
// nest. See https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#transactionsync.
func (s *Storage) TransactionSync(f func() error) error { return s.scope.Storage().TransactionSync(f) }
