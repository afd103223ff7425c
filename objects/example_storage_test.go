package objects_test

import (
	"context"
	"errors"
	"time"

	"durago.example/objects"
)

// TransactionSync undoes what f wrote if it returns an error. f must not wait.
func ExampleStorage_TransactionSync() {
	_ = func(storage *objects.Storage, from, to string, amount int) error {
		return storage.TransactionSync(func() error {
			left, err := objects.One[int](storage.SQL(), `UPDATE accounts SET n = n - ? WHERE name = ? RETURNING n`, amount, from)
			if err != nil {
				return err
			}
			if left < 0 {
				return errors.New("not enough")
			}
			_, err = storage.SQL().Exec(`UPDATE accounts SET n = n + ? WHERE name = ?`, amount, to)
			return err
		})
	}
}

// Transaction may wait; other events of the object are held meanwhile.
func ExampleStorage_Transaction() {
	_ = func(ctx context.Context, storage *objects.Storage, bank *objects.Stub) error {
		return storage.Transaction(ctx, func(ctx context.Context, tx *objects.Tx) error {
			if _, err := tx.SQL().Exec(`UPDATE accounts SET n = 0`); err != nil {
				return err
			}
			var agreed bool
			if err := bank.Call(ctx, &agreed, "agree"); err != nil {
				return err
			}
			if !agreed {
				return tx.Rollback() // the writes are undone, and Transaction returns nil
			}
			return nil
		})
	}
}

func ExampleStorage_SetAlarm() {
	_ = func(ctx context.Context, storage *objects.Storage) error {
		at, set, err := storage.Alarm(ctx)
		if err != nil {
			return err
		}
		if set && time.Until(at) < time.Minute {
			return storage.DeleteAlarm(ctx)
		}
		return storage.SetAlarm(ctx, time.Now().Add(time.Minute))
	}
}

// Nothing leaves an object before its writes are on disk, so that Sync is seldom needed.
func ExampleStorage_Sync() {
	_ = func(ctx context.Context, storage *objects.Storage) (objects.Bookmark, error) {
		if err := storage.Sync(ctx); err != nil {
			return "", err
		}
		return storage.Bookmark(ctx)
	}
}

func ExampleStorage_DeleteAll() {
	_ = func(ctx context.Context, storage *objects.Storage) error {
		return storage.DeleteAll(ctx) // the alarm too
	}
}
