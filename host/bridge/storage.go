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
			return dst, err
		}
		if flags&abi.SQLDrop != 0 {
			return drop(dst, c)
		}
		return s.rows(dst, 0, &cursor{c: c}, flags)
	case abi.OpSQLNext:
		c := s.cursors[token]
		if c == nil {
			return dst, errors.New("SQL cursor was closed")
		}
		c.c.Renew()
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

// drop steps through all rows and appends how many were read and written.
func drop(dst []byte, c *storage.Cursor) ([]byte, error) {
	for c.Next() {
	}
	if err := c.Err(); err != nil {
		return dst, err
	}
	read, written := c.Counts()
	return abi.AppendF64(abi.AppendF64(dst, float64(read)), float64(written)), nil
}

// rows appends the next chunk of a result.
func (s *scope) rows(dst []byte, handle uint32, c *cursor, flags byte) ([]byte, error) {
	head := len(dst)
	dst = abi.AppendU32(dst, 0)
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
		return dst[:head], err
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
	abi.AppendU32(dst[head:head:head+4], handle)
	abi.AppendU32(dst[count:count:count+4], n)
	return dst, nil
}

func (s *scope) storageOp(op abi.Op, token uint32, frame, dst []byte) ([]byte, error) {
	db := s.object.Database()
	r := abi.NewReader(frame)
	switch op {
	case abi.OpKVGet:
		dst, err := s.get(dst, string(frame))
		return dst, err
	case abi.OpKVPut:
		key := r.Str()
		return dst, s.store(key, r.Rest())
	case abi.OpKVDelete:
		ok, err := db.Delete(string(frame))
		return abi.AppendBool(dst, ok), err
	case abi.OpKVList:
		o, err := readListOptions(&r)
		if err != nil {
			return dst, err
		}
		entries, err := db.List(o)
		if err != nil {
			return dst, err
		}
		return appendEntries(dst, entries)
	case abi.OpTransactionSync:
		return s.transactionSync(token, dst)
	case abi.OpTransaction:
		return dst, s.enter(token, frame, true)
	case abi.OpRollback:
		return dst, s.rollback(token)
	case abi.OpSync:
		s.object.Sync(func(err error) { s.later(token, nil, err) })
		return dst, nil
	case abi.OpBookmark: // it names what is stored: that waits, unlike the rest
		b, err := db.Bookmark()
		if err != nil {
			return dst, err
		}
		s.object.Output(func(err error) { s.later(token, []byte(b), err) })
		return dst, nil
	}
	frame, err := s.asyncStorage(op, &r)
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
	case abi.OpPut, abi.OpDelete:
		write := s.put
		if op == abi.OpDelete {
			write = s.delete
		}
		var answer []byte
		f := func() (err error) {
			answer, err = write(r)
			return err
		}
		var err error
		if r.U8()&abi.KVAllowUnconfirmed != 0 {
			err = db.Unconfirmed(f)
		} else {
			err = f()
		}
		return answer, err
	case abi.OpGet:
		r.U8()
		var found []storage.Entry
		for n := r.Count(4); n > 0; n-- {
			key := r.Str()
			v, ok, err := db.Get(key)
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, storage.Entry{Key: key, Value: v})
			}
		}
		slices.SortFunc(found, func(a, b storage.Entry) int { return strings.Compare(a.Key, b.Key) })
		if r.Err() != nil {
			return nil, r.Err()
		}
		return appendEntries(nil, found)
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
		if math.IsNaN(ms) || math.IsInf(ms, 0) {
			return nil, typeError("The value cannot be converted because it is not a valid Date.")
		}
		at := time.UnixMilli(int64(max(-1, min(ms, 1<<53)))) // what is beyond is refused like what is at the end
		return nil, s.setAlarm(&at, r.Rest())
	case abi.OpAlarmDelete:
		return nil, s.setAlarm(nil, r.Rest())
	case abi.OpDeleteAll:
		return nil, s.object.DeleteAll()
	}
	return nil, fmt.Errorf("durago: unknown operation %d: app.wasm is newer than this host", op)
}

func (s *scope) setAlarm(at *time.Time, flags []byte) error {
	if len(flags) > 0 && flags[0]&abi.KVAllowUnconfirmed != 0 {
		return s.object.Database().Unconfirmed(func() error { return s.object.SetAlarm(at) })
	}
	return s.object.SetAlarm(at)
}

// put writes entries; of several put() leaves out those that are undefined. All are written or none.
func (s *scope) put(r *abi.Reader) ([]byte, error) {
	n := r.Count(8)
	write := func() error {
		for ; n > 0; n-- {
			key, v := r.Str(), r.Bytes()
			if isUndefined(v) {
				continue
			}
			if err := s.store(key, v); err != nil {
				return err
			}
		}
		return r.Err()
	}
	if n == 1 {
		return nil, write()
	}
	return nil, s.object.Together(write)
}

// delete removes keys and answers how many there were.
func (s *scope) delete(r *abi.Reader) ([]byte, error) {
	deleted := uint32(0)
	for n := r.Count(4); n > 0; n-- {
		ok, err := s.object.Database().Delete(r.Str())
		if err != nil {
			return nil, err
		}
		if ok {
			deleted++
		}
	}
	return abi.AppendU32(nil, deleted), r.Err()
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
