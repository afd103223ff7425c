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

// chats are the rows about the ready room. JavaScript keeps no sessions in any of them.
func (o *options) chats() (rows []row) {
	for _, kept := range []bool{false, true} {
		for _, members := range []int{100, 1000} {
			name := chatRow(members, kept)
			rows = append(rows, row{name: name, disk: kept, run: func(ctx context.Context, b *bench, s *server, round int) (loadgen.Result, error) {
				return b.chat(s, round, members, kept).Run(ctx)
			}})
		}
	}
	for _, kept := range []bool{false, true} {
		rows = append(rows, row{name: halfRow(kept), disk: kept, run: func(ctx context.Context, b *bench, s *server, round int) (loadgen.Result, error) {
			if b.half == 0 {
				if err := b.measureHalf(ctx); err != nil {
					return loadgen.Result{}, err
				}
			}
			load := b.chat(s, round, 1000, kept)
			load.Name, load.Rate = "half-"+load.Name, b.half
			return load.Run(ctx)
		}})
	}
	return rows
}

func (b *bench) chat(s *server, round, members int, kept bool) loadgen.Chat {
	return loadgen.Chat{Target: s.target, Route: route(kept), Name: fmt.Sprintf("%d-%d", members, round), Members: members, Size: 128,
		Window: chatWindow, Warm: b.warm, Duration: b.duration}
}

// measureHalf finds half of the broadcasts a second that JavaScript reaches with 1,000 members: what the rows at that rate
// have measured before, in this run, or a run of its own.
func (b *bench) measureHalf(ctx context.Context) error {
	i := slices.IndexFunc(b.results, func(c cell) bool { return c.Row == chatRow(1000, false) && c.Server == javaScript })
	var r loadgen.Result
	if i >= 0 {
		r = b.results[i].Runs[0]
	} else {
		load := b.chat(b.servers[0], 0, 1000, false)
		load.Name = "maximum"
		var err error
		if r, err = load.Run(ctx); err != nil {
			return err
		}
	}
	if r.Rate == 0 {
		return fmt.Errorf("JavaScript delivered nothing to 1,000 members: %s", r.FirstError)
	}
	b.half = r.Rate / 1000 / 2
	b.notes = append(b.notes, fmt.Sprintf("half of JavaScript's rate to 1,000 members is %.1f broadcasts/s", b.half))
	return nil
}
