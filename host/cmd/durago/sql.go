package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"durago.example/host"
)

type sqlVerb struct {
	target
	Query   string        `arg:"" optional:"" help:"The statements; default, and for -, those of the standard input."`
	Write   bool          `help:"Let them write; all take effect or none."`
	Timeout time.Duration `default:"1s" help:"How long statements that only read may work; the objects of its isolate do nothing meanwhile."`
	Rows    int           `default:"10000" placeholder:"10000" help:"How many rows are returned at most."`
}

func (v *sqlVerb) do(ctx context.Context, p *host.Operator, emit func(any) error) error {
	r, err := p.SQL(ctx, v.Class, v.Object, v.Query, host.SQLOptions{Write: v.Write, Timeout: v.Timeout, Rows: v.Rows})
	if err != nil {
		return err
	}
	return emit(r)
}

type sqlCommand struct {
	dataFlags
	sqlVerb
}

func (s *sqlCommand) Run(ctx context.Context) error {
	if s.Query == "" || s.Query == "-" {
		b, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		s.Query = string(b)
	}
	return ask(ctx, &s.dataFlags, "sql", &s.sqlVerb, table)
}

// table prints a result, and notes what is missing of it.
func table(r host.SQLResult) error {
	if len(r.Columns) > 0 {
		w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
		fmt.Fprintln(w, line(r.Columns))
		for _, row := range r.Rows {
			cells := make([]string, len(row))
			for i, v := range row {
				cells[i] = cell(v)
			}
			fmt.Fprintln(w, line(cells))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if r.Written > 0 {
		fmt.Fprintf(os.Stderr, "durago: %d rows written\n", r.Written)
	}
	if r.Truncated {
		fmt.Fprintf(os.Stderr, "durago: there are more rows than these %d: ask for less, or with LIMIT and OFFSET; --rows allows more, up to 8 MiB\n", len(r.Rows))
	}
	return nil
}

// line is cells as tabwriter takes them.
func line(cells []string) string {
	for i, c := range cells {
		cells[i] = printable(c)
	}
	return strings.Join(cells, "\t")
}

// shownBlob is how much of a BLOB is shown, in bytes.
const shownBlob = 32

// cell is a value as JSON has brought it.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		s, _ := v["base64"].(string)
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return s
		}
		if len(b) > shownBlob {
			return fmt.Sprintf("x'%s…' (%d bytes)", hex.EncodeToString(b[:shownBlob]), len(b))
		}
		return "x'" + hex.EncodeToString(b) + "'"
	}
	return fmt.Sprint(v)
}
