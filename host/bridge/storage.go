package bridge

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"durago.example/host/storage"
	"durago.example/wasm/abi"
)

type cursor struct {
	c       *storage.Cursor
	pending bool // the current row has not been sent
}

// rowChunk is about how many bytes of rows travel at once.
const rowChunk = 64 << 10

func (s *scope) sqlOp(op abi.Op, token uint32, frame, dst []byte) ([]byte, error) {
	db := s.object.Database()
	switch op {
	case abi.OpSQLIntern:
		s.b.statements[token] = string(frame)
		return dst, nil
	case abi.OpSQL:
		r := abi.NewReader(frame)
		flags := r.U8()
		var space [8]storage.Arg
		args := space[:0]
		for n := r.U16(); n > 0 && r.Err() == nil; n-- {
			a := storage.Arg{Kind: storage.Kind(r.U8())}
			switch a.Kind {
			case storage.Number:
				a.Float = r.F64()
			case storage.Text, storage.Blob:
				a.Bytes = r.Bytes()
			}
			args = append(args, a)
		}
		if r.Err() != nil {
			return dst, r.Err()
		}
		c, err := db.Exec(s.b.statements[token], args)
		if err != nil {
			return dst, s.critical(err)
		}
		return s.rows(dst, 0, &cursor{c: c}, flags)
	case abi.OpSQLNext:
		c := s.cursors[token]
		if c == nil {
			return dst, errors.New("SQL cursor was closed")
		}
		return s.rows(dst, token, c, 0)
	case abi.OpSQLClose:
		if c := s.cursors[token]; c != nil {
			delete(s.cursors, token)
			return dst, c.c.Close()
		}
		return dst, nil
	}
	n, err := db.Size()
	return abi.AppendF64(dst, float64(n)), err
}

// critical has an error that the database does not survive reset the object when the turn ends.
func (s *scope) critical(err error) error {
	var e *storage.Error
	if errors.As(err, &e) && e.Critical {
		s.abort = err
	}
	return err
}

// rows appends the next chunk of a result.
func (s *scope) rows(dst []byte, handle uint32, c *cursor, flags byte) ([]byte, error) {
	head := len(dst)
	dst = append(dst, make([]byte, 20)...)
	width := c.c.Width()
	dst = abi.AppendU16(dst, uint16(width))
	dst = append(dst, flags&abi.SQLColumns)
	if flags&abi.SQLColumns != 0 {
		for i := range width {
			dst = abi.AppendStr(dst, c.c.Column(i))
		}
	}
	count := len(dst)
	dst = abi.AppendU32(dst, 0)
	n := uint32(0)
	more := c.pending || c.c.Next()
	c.pending = false
	for more {
		n++
		for i := range width {
			v := c.c.Value(i)
			dst = append(dst, byte(v.Kind))
			switch v.Kind {
			case storage.Number:
				dst = abi.AppendF64(dst, v.Float)
			case storage.Text, storage.Blob:
				dst = abi.AppendStr(dst, v.Bytes)
			}
		}
		more = c.c.Next()
		if more && len(dst)-head > rowChunk {
			c.pending = true
			break
		}
	}
	if err := c.c.Err(); err != nil {
		delete(s.cursors, handle)
		return dst[:head], s.critical(err)
	}
	if more {
		if handle == 0 {
			s.handles++
			handle = s.handles
			if s.cursors == nil {
				s.cursors = map[uint32]*cursor{}
			}
			s.cursors[handle] = c
		}
	} else {
		delete(s.cursors, handle)
		handle = 0
	}
	read, written := c.c.Counts()
	h := abi.AppendU32(dst[head:head:head+20], handle)
	h = abi.AppendF64(h, float64(read))
	abi.AppendF64(h, float64(written))
	abi.AppendU32(dst[count:count:count+4], n)
	return dst, nil
}

func (s *scope) storageOp(op abi.Op, token uint32, frame, dst []byte) ([]byte, error) {
	db := s.object.Database()
	r := abi.NewReader(frame)
	switch op {
	case abi.OpKVGet:
		dst, err := s.get(dst, string(frame))
		return dst, s.critical(err)
	case abi.OpKVPut:
		key := r.Str()
		return dst, s.critical(s.store(key, r.Rest()))
	case abi.OpKVDelete:
		ok, err := db.Delete(string(frame))
		return abi.AppendBool(dst, ok), s.critical(err)
	case abi.OpKVList:
		o, err := readListOptions(&r)
		if err != nil {
			return dst, err
		}
		entries, err := db.List(o)
		if err != nil {
			return dst, s.critical(err)
		}
		return appendEntries(dst, entries)
	case abi.OpTransactionSync:
		return s.transactionSync(token, dst)
	case abi.OpTransaction:
		return dst, s.enter(token, true)
	case abi.OpSync:
		s.object.Output(func(err error) { s.later(token, nil, err) })
		return dst, nil
	case abi.OpBookmark: // it names what is stored: that waits, unlike the rest
		b, err := db.Bookmark()
		if err != nil {
			return dst, s.critical(err)
		}
		s.object.Output(func(err error) { s.later(token, []byte(b), err) })
		return dst, nil
	}
	frame, err := s.asyncStorage(op, &r)
	err = s.critical(err)
	done := s.object.Await()
	return dst, s.b.Do(func() {
		done()
		s.complete(token, frame, err)
	})
}

// asyncStorage performs at once what the platform answers with a promise.
func (s *scope) asyncStorage(op abi.Op, r *abi.Reader) ([]byte, error) {
	db := s.object.Database()
	switch op {
	case abi.OpGet, abi.OpDelete:
		r.U8()
		var found []storage.Entry
		deleted := uint32(0)
		for n := r.Count(4); n > 0; n-- {
			key := r.Str()
			if op == abi.OpDelete {
				ok, err := db.Delete(key)
				if err != nil {
					return nil, err
				}
				if ok {
					deleted++
				}
				continue
			}
			v, ok, err := db.Get(key)
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, storage.Entry{Key: key, Value: v})
			}
		}
		if op == abi.OpDelete {
			return abi.AppendU32(nil, deleted), r.Err()
		}
		slices.SortFunc(found, func(a, b storage.Entry) int { return strings.Compare(a.Key, b.Key) })
		if r.Err() != nil {
			return nil, r.Err()
		}
		return appendEntries(nil, found)
	case abi.OpPut:
		r.U8()
		for n := r.Count(8); n > 0; n-- {
			key, v := r.Str(), r.Bytes()
			if isUndefined(v) { // of several entries put() leaves those out
				continue
			}
			if err := s.store(key, v); err != nil {
				return nil, err
			}
		}
		return nil, r.Err()
	case abi.OpList:
		r.U8()
		o, err := readListOptions(r)
		if err != nil {
			return nil, err
		}
		entries, err := db.List(o)
		if err != nil {
			return nil, err
		}
		return appendEntries(nil, entries)
	case abi.OpAlarmGet:
		at, ok, err := s.object.Alarm()
		return millis(at, ok), err
	case abi.OpAlarmSet:
		ms := r.F64()
		if math.IsNaN(ms) {
			return nil, errors.New("The value cannot be converted because it is not a valid Date.")
		}
		at := time.UnixMilli(int64(ms))
		return nil, s.object.SetAlarm(&at)
	case abi.OpAlarmDelete:
		return nil, s.object.SetAlarm(nil)
	case abi.OpDeleteAll:
		if err := db.DeleteAll(); err != nil {
			return nil, err
		}
		return nil, s.object.SetAlarm(nil)
	}
	return nil, fmt.Errorf("durago: unknown operation %d: app.wasm is newer than this host", op)
}

// transactionSync runs the body between savepoints, below the guest's own call.
func (s *scope) transactionSync(token uint32, dst []byte) ([]byte, error) {
	db := s.object.Database()
	if err := db.Savepoint(); err != nil {
		return dst, s.critical(err)
	}
	rollback, finished, err := s.b.iso.Transaction(token)
	s.b.inCall = true // the body's own calls have cleared it
	if err == nil && !finished {
		err = errors.New("a TransactionSync body waited")
	}
	if err != nil {
		s.b.iso.Kill(err)
		return dst, err
	}
	if err := db.Release(rollback); err != nil {
		return dst, s.critical(err)
	}
	return abi.AppendBool(dst, rollback), nil
}

func readListOptions(r *abi.Reader) (o storage.ListOptions, err error) {
	flags, limit := r.U8(), r.F64()
	for _, f := range [...]struct {
		bit byte
		to  **string
	}{{abi.ListPrefix, &o.Prefix}, {abi.ListStart, &o.Start}, {abi.ListStartAfter, &o.StartAfter}, {abi.ListEnd, &o.End}} {
		if s := r.Str(); flags&f.bit != 0 {
			*f.to = &s
		}
	}
	if flags&abi.ListLimit != 0 {
		if o.Limit = int(limit); o.Limit <= 0 {
			return o, typeError("List limit must be positive.")
		}
	}
	if o.Start != nil && o.StartAfter != nil {
		return o, typeError("list() cannot be called with both start and startAfter values.")
	}
	o.Reverse = flags&abi.ListReverse != 0
	return o, r.Err()
}
