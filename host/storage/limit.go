package storage

import (
	"context"
	"time"
)

// A statement runs on the loop of its isolate, and nothing else does meanwhile. So what an object's code asks for at a
// time, which may be many steps of many statements, has the same limit as a run of that code. What exceeds it resets the
// object.

// workLimit interrupts a step. SQLite asks for Err when a step begins and after every 1,000 operations.
type workLimit struct {
	context.Context
	most  time.Duration
	on    bool // a step of an object's own statement runs
	asked int  // in this step
	began time.Time
	spent time.Duration // in steps that were long enough to be measured
	steps int           // of any length
	since time.Time     // when there had been many
	over  bool          // they have taken too long together
}

func newWorkLimit(most time.Duration) *workLimit {
	return &workLimit{Context: context.Background(), most: most}
}

// renew begins a time in which nothing but steps runs.
func (l *workLimit) renew() { l.spent, l.steps, l.over = 0, 0, false }

// manySteps is after how many somebody looks at the clock: short ones are not measured, and there may be no end of them.
const manySteps = 1000

func (l *workLimit) begin() {
	l.on, l.asked = true, 0
	if l.steps++; l.steps%manySteps != 0 {
		return
	}
	if now := time.Now(); l.steps == manySteps {
		l.since = now
	} else {
		l.over = now.Sub(l.since) > l.most
	}
}

func (l *workLimit) end() {
	if l.on = false; l.asked > 1 {
		l.spent += time.Since(l.began)
	}
}

// Err looks at the clock only if the step is longer than most.
func (l *workLimit) Err() error {
	if !l.on {
		return nil
	}
	l.asked++
	switch {
	case l.over:
		return context.DeadlineExceeded
	case l.asked < 2:
	case l.asked == 2:
		l.began = time.Now()
	case l.spent+time.Since(l.began) > l.most:
		return context.DeadlineExceeded
	}
	return nil
}
