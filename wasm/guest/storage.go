package guest

import (
	"context"
	"math"
	"time"

	"durago.example/objects/driver"
	"durago.example/wasm/abi"
)

func (s *scope) Storage() driver.Storage { return storage{s} }

type storage struct{ *scope }

func (s storage) Alarm(ctx context.Context) (time.Time, bool, error) {
	a, err := s.await(ctx, abi.OpAlarmGet, nil)
	if err != nil {
		return time.Time{}, false, err
	}
	return readTime(a)
}

func readTime(a []byte) (time.Time, bool, error) {
	r := abi.NewReader(a)
	ms := r.F64()
	if r.Err() != nil || math.IsNaN(ms) {
		return time.Time{}, false, r.Err()
	}
	return time.UnixMilli(int64(ms)), true, nil
}

func (s storage) SetAlarm(ctx context.Context, at time.Time, flags byte) error {
	_, err := s.await(ctx, abi.OpAlarmSet, func() []byte { return append(abi.AppendF64(nil, float64(at.UnixMilli())), flags) })
	return err
}

func (s storage) DeleteAlarm(ctx context.Context, flags byte) error {
	_, err := s.await(ctx, abi.OpAlarmDelete, func() []byte { return []byte{flags} })
	return err
}

func (s storage) Sync(ctx context.Context) error {
	_, err := s.await(ctx, abi.OpSync, nil)
	return err
}

func (s storage) DeleteAll(ctx context.Context) error {
	_, err := s.await(ctx, abi.OpDeleteAll, nil)
	return err
}

func (s storage) Bookmark(ctx context.Context) (string, error) {
	a, err := s.await(ctx, abi.OpBookmark, nil)
	return string(a), err
}
