package main

import (
	"context"
	"fmt"
	"slices"

	"durago.example/testdata/bench/loadgen"
)

// chatWindow is how many broadcasts are in flight in a closed loop: enough for a server that syncs before it sends to sync
// once for several.
const chatWindow = 8

func chatRow(members int, kept bool) string {
	return fmt.Sprintf("chat, %s%s, closed loop", amount(members, "member"), recovery(kept))
}

func halfRow(kept bool) string {
	return "chat, 1,000 members" + recovery(kept) + ", at half of JavaScript's rate"
}

func recovery(kept bool) string {
	if kept {
		return ", recovery on"
	}
	return ""
}

func route(kept bool) string {
	if kept {
		return "kept"
	}
	return "chat"
}

// chats are the rows about the ready room. JavaScript keeps no sessions in any of them. Each run has a new server: who comes
// and goes is told to all others, half a million frames of a room of 1,000, which the next run would find under way. Go in
// workerd has 100 members alone: 1,000 take it a minute to join.
func (o *options) chats() (rows []row) {
	add := func(name string, kept bool, members int, run func(ctx context.Context, b *bench, s *server) (loadgen.Result, error)) {
		r := row{name: name, disk: kept, run: func(ctx context.Context, b *bench, s *server, _ int) (loadgen.Result, error) { return run(ctx, b, s) }}
		if members > 100 {
			r.but = goInWorkerd
		}
		rows = append(rows, r)
	}
	for _, kept := range []bool{false, true} {
		for _, members := range []int{100, 1000} {
			add(chatRow(members, kept), kept, members, func(ctx context.Context, b *bench, s *server) (loadgen.Result, error) {
				return b.chat(ctx, s, members, kept, 0)
			})
		}
	}
	for _, kept := range []bool{false, true} {
		add(halfRow(kept), kept, 1000, func(ctx context.Context, b *bench, s *server) (loadgen.Result, error) {
			if err := b.measureHalf(ctx); err != nil {
				return loadgen.Result{}, err
			}
			return b.chat(ctx, s, 1000, kept, b.half)
		})
	}
	return rows
}

// chat runs a room on a new server of the kind of s.
func (b *bench) chat(ctx context.Context, s *server, members int, kept bool, rate float64) (loadgen.Result, error) {
	fresh, err := b.launch(ctx, s.contender, b.work, config{})
	if err != nil {
		return loadgen.Result{}, err
	}
	defer fresh.stop()
	return loadgen.Chat{Target: fresh.target, Route: route(kept), Members: members, Size: 128, Window: chatWindow, Rate: rate,
		Warm: b.warm, Duration: b.duration, Abandon: true}.Run(ctx)
}

// measureHalf finds half of the broadcasts a second that JavaScript reaches with 1,000 members, once: what the row has
// measured before, in this run, or a run of its own.
func (b *bench) measureHalf(ctx context.Context) (err error) {
	if b.half > 0 {
		return nil
	}
	var r loadgen.Result
	if i := slices.IndexFunc(b.results, func(c cell) bool { return c.Row == chatRow(1000, false) && c.Server == javaScript }); i >= 0 {
		r = b.results[i].Runs[0]
	} else if r, err = b.chat(ctx, b.servers[0], 1000, false, 0); err != nil {
		return err
	}
	if r.Rate == 0 {
		return fmt.Errorf("JavaScript delivered nothing to 1,000 members: %s", r.FirstError)
	}
	b.half = r.Rate / 1000 / 2
	b.notes = append(b.notes, fmt.Sprintf("half of JavaScript's rate to 1,000 members is %.1f broadcasts/s", b.half))
	return nil
}
