package storage

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"durago.example/objects"
)

// script is a list of steps; one that ends in "{" has a script of its own, up to a line that begins with "}".
type script struct{ steps []step }

type step struct {
	at   int // the number of its line
	verb string
	rest string
	body *script
	end  string // what follows the "}"
}

func (p *script) size() (n int) {
	for _, s := range p.steps {
		n = max(n, s.at+1)
		if s.body != nil {
			n = max(n, s.body.size())
		}
	}
	return n
}

func parse(lines []string) (*script, error) {
	open := []*script{{}}
	for i, line := range lines {
		line = repeat(strings.TrimSpace(line))
		top := open[len(open)-1]
		if end, ok := strings.CutPrefix(line, "}"); ok {
			if len(open) == 1 {
				return nil, fmt.Errorf("line %d closes what is not open", i+1)
			}
			open = open[:len(open)-1]
			outer := open[len(open)-1]
			outer.steps[len(outer.steps)-1].end = strings.TrimSpace(end)
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		s := step{at: i, verb: verb, rest: rest}
		if rest == "{" {
			s.rest, s.body = "", &script{}
			open = append(open, s.body)
		}
		top.steps = append(top.steps, s)
	}
	if len(open) > 1 {
		return nil, errors.New("a { is not closed")
	}
	return open[0], nil
}

// repeat writes out «text×3»: texttexttext.
func repeat(line string) string {
	for {
		before, rest, ok := strings.Cut(line, "«")
		if !ok {
			return line
		}
		inner, after, _ := strings.Cut(rest, "»")
		i := strings.LastIndex(inner, "×")
		n, err := strconv.Atoi(inner[i+len("×"):])
		if err != nil {
			return line
		}
		line = before + strings.Repeat(inner[:i], n) + after
	}
}

// runner runs scripts for one event.
type runner struct {
	*Store
	outcomes []string
}

// errUndo is what a body returns to have its transaction undone.
var errUndo = errors.New("undo")

// run runs the steps in order. What a step fails with is its outcome; only the verbs that fail on purpose end the script.
func (r *runner) run(ctx context.Context, p *script) error {
	for _, s := range p.steps {
		outcome, err := r.do(ctx, s)
		if err != nil {
			return err
		}
		r.outcomes[s.at] = short(outcome)
	}
	return nil
}

// do does one step.
func (r *runner) do(ctx context.Context, s step) (outcome string, err error) {
	switch s.verb {
	case "fail":
		return "", errors.New(s.rest)
	case "panic":
		panic(s.rest)
	case "abort":
		r.state.Abort(errors.New(s.rest))
		return "", nil
	case "abandon":
		r.state.Abort(errors.New(s.rest), objects.AbortOptions{AbandonAlarm: true})
		return "", nil
	}
	if s.body != nil {
		return r.block(ctx, s)
	}
	for _, verbs := range []map[string]func(*runner, context.Context, string) (string, error){sqlVerbs, kvVerbs, stateVerbs, callVerbs} {
		if f := verbs[s.verb]; f != nil {
			out, err := f(r, ctx, s.rest)
			if err != nil {
				return "error: " + failure(err), nil
			}
			return out, nil
		}
	}
	return "", fmt.Errorf("no verb %q", s.verb)
}

// block does a step with a body.
func (r *runner) block(ctx context.Context, s step) (string, error) {
	body := func(ctx context.Context) error {
		if err := r.run(ctx, s.body); err != nil {
			return err
		}
		switch s.end {
		case "fail":
			return errUndo
		case "panic":
			panic("a panic in a body")
		}
		return nil
	}
	var err error
	switch s.verb {
	case "transaction":
		err = r.state.Storage().Transaction(ctx, func(ctx context.Context, tx *objects.Tx) error {
			if err := body(ctx); err != nil {
				return err
			}
			if s.end == "rollback" {
				tx.Rollback()
			}
			return nil
		})
	case "transactionsync":
		err = r.state.Storage().TransactionSync(func() error { return body(ctx) })
	case "block":
		if err := r.state.BlockConcurrencyWhile(ctx, body); err != nil {
			return "", err
		}
	case "go":
		r.state.Go(func(ctx context.Context) { _ = body(ctx) })
		return "", nil
	case "waituntil":
		r.state.WaitUntil(body)
		return "", nil
	case "onalarm":
		s.body.steps = append(s.body.steps, ending(s.end)...)
		r.kept.onAlarm = s.body
		return "", nil
	default:
		return "", fmt.Errorf("no verb %q with a body", s.verb)
	}
	if err != nil {
		return "error: " + failure(err), nil
	}
	return "ok", nil
}

// ending is the end of a body as a step.
func ending(end string) []step {
	if end == "" {
		return nil
	}
	return []step{{verb: end, rest: "on purpose"}}
}

// short keeps the ends of a long outcome.
func short(s string) string {
	if n := len(s); n > 400 {
		return fmt.Sprintf("%s … %s (%d bytes)", strings.ToValidUTF8(s[:100], ""), strings.ToValidUTF8(s[n-40:], ""), n)
	}
	return s
}
