package durable

import (
	"slices"

	"durago.example/host/storage"
)

// An object's alarm and the scheduler's row are in two databases, and commit one after the other. A process that dies
// between leaves them different, and an alarm that only its object knows would never fire. The objects that this can have
// happened to are those whose databases were left open.

// reconciled is how many databases are open at once while that is put right.
const reconciled = 64

// With all it is put right for all objects, because the table was damaged.
func (s *scheduler) reconcile(all bool) error {
	which := s.ns.e.o.Store.Interrupted
	if all {
		which = s.ns.e.o.Store.Objects
	}
	ids, err := which(s.ns.UniqueKey)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(ids, reconciled) {
		if err := s.reconcilePart(part); err != nil {
			return err
		}
	}
	if all {
		return s.table.MadeAgain()
	}
	return nil
}

// reconcilePart retires the databases, and with that removes the trace, when the table is durable.
func (s *scheduler) reconcilePart(ids []string) (failed error) {
	durable := make(chan error, len(ids))
	var open []*storage.Database
	defer func() {
		for _, d := range open {
			if failed != nil {
				_ = d.Close()
			} else {
				_ = d.Retire()
			}
		}
	}()
	waiting := 0
	for _, id := range ids {
		d := s.ns.e.o.Store.Database(s.ns.UniqueKey, id)
		open = append(open, d)
		row := storage.AlarmRow{ID: id}
		at, ok, err := d.Alarm()
		if err != nil { // its own events will say so too
			s.ns.e.o.Log(&Object{ns: s.ns, id: id}, "alarm: "+err.Error())
			continue
		}
		known := s.byID[id]
		switch {
		case ok && (known == nil || !known.row.At.Equal(at)):
			if known != nil {
				row = known.row
			}
			row.At = at
			s.put(row)
			err = s.table.Put(row, func(err error) { durable <- err })
		case !ok && known != nil:
			s.remove(id)
			err = s.table.Delete(id, func(err error) { durable <- err })
		default:
			continue
		}
		if err != nil {
			failed = err
			break
		}
		waiting++
	}
	for range waiting {
		if err := <-durable; err != nil {
			failed = err
		}
	}
	return failed
}
