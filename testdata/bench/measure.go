package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"

	"durago.example/testdata/bench/loadgen"
)

// cell is what one server did in one row.
type cell struct {
	Row    string           `json:"row"`
	Server string           `json:"server"`
	Conns  int              `json:"-"`
	Runs   []loadgen.Result `json:"runs"`
	Median loadgen.Result   `json:"median"`
}

// measure runs the rows, interleaved, and takes the medians.
func (b *bench) measure(ctx context.Context) error {
	rows := b.selected()
	for round := range b.rounds {
		if err := b.measureCeiling(ctx, rows); err != nil {
			return err
		}
		at := 0
		for _, r := range rows {
			for _, s := range b.servers {
				if !r.on(s) {
					continue
				}
				result, err := r.run(ctx, b, s, round)
				if ended, why := s.process.Ended(); ended {
					err = errors.Join(err, why)
				}
				if err != nil {
					return fmt.Errorf("%s: %s: %w", r.title(s), s.name, err)
				}
				if round == 0 {
					b.results = append(b.results, cell{Row: r.title(s), Server: s.name, Conns: r.conns})
				}
				b.results[at].Runs = append(b.results[at].Runs, result)
				at++
				fmt.Fprintf(os.Stderr, "round %d of %d: %s: %s: %s\n", round+1, b.rounds, r.title(s), s.name, figures(result))
			}
		}
	}
	for i := range b.results {
		b.results[i].Median = loadgen.Median(b.results[i].Runs)
	}
	return nil
}

// selected are the rows that -rows asks for.
func (o *options) selected() (rows []row) {
	for _, r := range o.table() {
		if o.rows.MatchString(r.name) {
			rows = append(rows, r)
		}
	}
	return rows
}

// on tells whether a row is measured on a server.
func (r *row) on(s *server) bool {
	return (r.stores || !s.memory) && (r.only == "" || r.only == s.name) && r.but != s.name
}

// title is the row's name in the table.
func (r *row) title(s *server) string {
	switch {
	case s.memory:
		return r.name + ", tmpfs"
	case r.stores || r.disk:
		return r.name + ", disk"
	}
	return r.name
}

// measureCeiling has the generator drive a server that does nothing; the best of the rounds counts.
func (b *bench) measureCeiling(ctx context.Context, rows []row) error {
	done := map[int]bool{}
	for _, r := range rows {
		if r.conns == 0 || done[r.conns] {
			continue
		}
		done[r.conns] = true
		result, err := loadgen.HTTP{Target: b.bare.target, Method: "GET", Path: "/", Conns: r.conns, Warm: b.warm / 2, Duration: b.duration}.Run(ctx)
		if err != nil {
			return fmt.Errorf("ceiling: %w", err)
		}
		b.ceiling[r.conns] = max(b.ceiling[r.conns], result.Rate)
	}
	return nil
}

// failures is an error if any request failed.
func (b *bench) failures() error {
	var all []error
	for _, c := range b.results {
		if c.Median.Errors > 0 {
			all = append(all, fmt.Errorf("%s: %s: %d requests failed, the first: %s", c.Row, c.Server, c.Median.Errors, c.Median.FirstError))
		}
	}
	return errors.Join(all...)
}

func (b *bench) writeJSON(file string) error {
	out, err := json.MarshalIndent(map[string]any{"notes": b.notes, "processors": runtime.NumCPU(), "rounds": b.rounds,
		"ceiling": b.ceiling, "cells": b.results}, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(out, '\n'), 0o644)
}
