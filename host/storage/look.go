package storage

import (
	"fmt"
	"time"
)

// An operator looks into the database of an object beside its code. What only looks cannot write, and may have less time: at
// its end nothing is lost but its result, so that the database survives.

// Errors of Look.
var (
	ErrLook     = &Error{Message: "the statement writes, and may only read"}
	ErrLookTime = &Error{Message: "the statement worked for too long"}
)

// unseen are pragmas that change something without a value.
var unseen = set(`optimize defer_foreign_keys`)

// Look runs f, in which Exec takes only statements that read, and works for most at the longest: else ErrLook and
// ErrLookTime. There must be nothing that is not committed.
func (d *Database) Look(most time.Duration, f func() error) error {
	before := d.limit.most
	d.readOnly, d.limit.most = true, most
	defer func() { d.readOnly, d.limit.most = false, before }()
	return f()
}

// seen tells whether a pragma that an object's statement may have changes nothing.
func seen(name, value string) bool { return !unseen[name] && (value == "" || !settings[name]) }

func (d *Database) outOfTime() error { return fmt.Errorf("%w: %v", ErrLookTime, d.limit.most) }
