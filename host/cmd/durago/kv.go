package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"durago.example/host"
)

type kvCommands struct {
	Get    kvGetCommand    `cmd:"" help:"Print the value of a key as JSON."`
	Put    kvPutCommand    `cmd:"" help:"Store JSON under a key."`
	Delete kvDeleteCommand `cmd:"" help:"Remove a key."`
	List   kvListCommand   `cmd:"" help:"Print keys and values, in the order of the keys."`
}

// kvKey is the key that is meant.
type kvKey struct {
	Key    string `arg:"" help:"The key."`
	Quoted bool   `help:"The key is a JSON string, for those with bytes that a command line cannot have."`
}

func (k *kvKey) key() (string, error) {
	if !k.Quoted {
		return k.Key, nil
	}
	var key string
	if err := json.Unmarshal([]byte(k.Key), &key); err != nil {
		return "", fmt.Errorf("the key %s is not a JSON string: %w", k.Key, err)
	}
	return key, nil
}

// changed is what a verb has done to an object.
type changed struct {
	Class  string `json:"class"`
	Object string `json:"object"`
	Key    string `json:"key,omitempty"`
	Done   string `json:"done"`
}

func (c changed) print() error {
	what := ""
	if c.Key != "" {
		what = " " + printable(c.Key)
	}
	_, err := fmt.Printf("%s of %s:%s %s\n", printable(c.Object), c.Class, what, c.Done)
	return err
}

type kvGetVerb struct {
	target
	kvKey
}

func (v *kvGetVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	key, err := v.key()
	if err != nil {
		return err
	}
	x, err := p.Value(ctx, v.Class, v.Object, key)
	if err != nil {
		return err
	}
	return emit(x)
}

type kvGetCommand struct {
	dataFlags
	kvGetVerb
}

func (k *kvGetCommand) Run(ctx context.Context) error {
	return ask(ctx, &k.dataFlags, "kv-get", &k.kvGetVerb, func(v host.Value) error {
		inexact(v)
		_, err := fmt.Printf("%s\n", v.JSON)
		return err
	})
}

// inexact says what JSON does not have.
func inexact(v host.Value) {
	for _, s := range v.Inexact {
		fmt.Fprintf(os.Stderr, "durago: %s holds what JSON does not have: %s\n", printable(v.Key), s)
	}
}

type kvPutVerb struct {
	target
	kvKey
	Value string `arg:"" optional:"" help:"JSON; default, and for -, that of the standard input."`
}

func (v *kvPutVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	key, err := v.key()
	if err == nil {
		err = p.PutValue(ctx, v.Class, v.Object, key, []byte(v.Value))
	}
	if err != nil {
		return err
	}
	return emit(changed{v.Class, v.Object, key, "stored"})
}

type kvPutCommand struct {
	dataFlags
	kvPutVerb
}

func (k *kvPutCommand) Run(ctx context.Context) error {
	if k.Value == "" || k.Value == "-" {
		b, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		k.Value = string(b)
	}
	return ask(ctx, &k.dataFlags, "kv-put", &k.kvPutVerb, changed.print)
}

type kvDeleteVerb struct {
	target
	kvKey
}

func (v *kvDeleteVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	key, err := v.key()
	if err == nil {
		err = p.DeleteValue(ctx, v.Class, v.Object, key)
	}
	if err != nil {
		return err
	}
	return emit(changed{v.Class, v.Object, key, "deleted"})
}

type kvDeleteCommand struct {
	dataFlags
	kvDeleteVerb
}

func (k *kvDeleteCommand) Run(ctx context.Context) error {
	return ask(ctx, &k.dataFlags, "kv-delete", &k.kvDeleteVerb, changed.print)
}

type kvListVerb struct {
	target
	Prefix *string `placeholder:"TEXT" help:"Only keys that begin so."`
	Start  *string `placeholder:"KEY" help:"The first key."`
	Before *string `placeholder:"KEY" help:"The key before which to end."`
	Limit  int     `placeholder:"N" help:"How many at most; default all."`
	Keys   bool    `help:"Only the keys."`
}

func (v *kvListVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	o := host.ListOptions{Prefix: v.Prefix, Start: v.Start, End: v.Before, Limit: v.Limit, KeysOnly: v.Keys}
	for x, err := range p.Values(ctx, v.Class, v.Object, o) {
		if err == nil && v.Keys {
			err = emit(struct {
				Key string `json:"key"`
			}{x.Key})
		} else if err == nil {
			err = emit(x)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

type kvListCommand struct {
	dataFlags
	kvListVerb
}

func (k *kvListCommand) Run(ctx context.Context) error {
	return ask(ctx, &k.dataFlags, "kv-list", &k.kvListVerb, func(v host.Value) error {
		if k.Keys {
			_, err := fmt.Println(printable(v.Key))
			return err
		}
		inexact(v)
		_, err := fmt.Printf("%s\t%s\n", printable(v.Key), v.JSON)
		return err
	})
}
