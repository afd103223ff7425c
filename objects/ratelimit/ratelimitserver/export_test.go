package ratelimitserver

import "durago.example/objects/ratelimit"

// Reread reads what is stored of a key under a rule, and stores it again.
func Reread(b []byte, given ratelimit.Rule, now int64) (again []byte, expires int64, err error) {
	c, err := compile(given)
	if err != nil {
		return nil, 0, err
	}
	r := &row{rule: c}
	if err := r.read(b, now); err != nil {
		return nil, 0, err
	}
	rows := []row{*r}
	d := answer(rows, decide(rows, now))
	take(rows, 1)
	lend(rows, 1)
	show(&d, rows)
	return r.append(nil), rows[0].expires(now), nil
}
